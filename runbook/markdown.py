"""Foreign text in Markdown: nothing in it is markup, calls a person, or conceals anything."""

import re

from runbook.text import visible

# What is Markdown, HTML, or becomes a link, a person or mathematics on GitHub, wherever it stands.
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$@]|(?<![^\W_])_|_(?![^\W_])|(?<=:)//|(?<=www)\.", re.IGNORECASE)
# What begins a heading, a list or a rule at the beginning of a line; behind a list's number.
_BEGINS = re.compile(r"(?=#{1,6}(?:\s|$)|[+-](?:[\s-]|$)|=+$)|\d{1,9}(?=[.)](?:\s|$))")
# What calls people: @name, @here and <@U1> behind no letter; these even there; Slack's !channel.
_CALLS = re.compile(
    r"(?<!\w)(@)(?=[\w&!])|(@)(?=(?:all|channel|everyone|here|team)\b)|(@)(?=[^|\s]+[|>])"
    r"|(!)(?=(?:channel|everyone|here|subteam)\b)",
    re.IGNORECASE,
)
# Where the address begins in Markdown, behind the link's words, and in Slack's notation, before them.
_DISGUISES = re.compile(r"\](?=[(\[])|<(?=[a-z][a-z0-9+.-]*:)", re.IGNORECASE)


def without_calls(text: str) -> str:
    """Return `text` with a blank behind each sign that would call people: no escape stops GitHub or a chat from it.

    >>> without_calls("@here: api@sha256:aa, <!channel>")
    '@ here: api@sha256:aa, <! channel>'
    """
    return _CALLS.sub(lambda call: f"{call[0]} ", text)


def without_disguised_links(text: str) -> str:
    """Return `text` with a blank where a link would show other words than its address: not every chat gets escapes.

    >>> without_disguised_links("[reset it](https://evil.example) <https://evil.example|here>")
    '[reset it] (https://evil.example) < https://evil.example|here>'
    """
    return _DISGUISES.sub(lambda found: f"{found[0]} ", text)


def escaped(text: str) -> str:
    """Return foreign text as one line of Markdown that shows it as it is."""
    line = _SPECIAL.sub(r"\\\g<0>", " ".join(visible(text).split()))
    begin = _BEGINS.match(line)
    return f"{begin[0]}\\{line[begin.end() :]}" if begin else line


def code(text: str) -> str:
    """Return foreign text as code within a line of Markdown."""
    line = " ".join(visible(text).split())
    marks = fence(line, 1)
    space = " " if "`" in line else ""
    return f"{marks}{space}{line}{space}{marks}"


def fence(text: str, least: int) -> str:
    """Return so many backticks, `least` at least, that `text` has nowhere as many in a row."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])
