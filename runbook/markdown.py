"""Untrusted text in Markdown: without markup, mentions of people, or hidden characters."""

import re

from runbook.text import visible

# Characters that anywhere in a line are Markdown or HTML, or start a link, a mention or mathematics on GitHub.
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$@]|(?<![^\W_])_|_(?![^\W_])|(?<=:)//|(?<=www)\.", re.IGNORECASE)
# The start of a heading, a list or a rule, at the beginning of a line. In a numbered list, the part after the number.
_BEGINS = re.compile(r"(?=#{1,6}(?:\s|$)|[+-](?:[\s-]|$)|=+$)|\d{1,9}(?=[.)](?:\s|$))")
# Mentions: @name, @here and <@U1>, not after a letter; group names and Slack's forms, even after a letter; !channel.
_CALLS = re.compile(
    r"(?<!\w)(@)(?=[\w&!])|(@)(?=(?:all|channel|everyone|here|team)\b)|(@)(?=[^|\s]+[|>])"
    r"|(!)(?=(?:channel|everyone|here|subteam)\b)",
    re.IGNORECASE,
)
# The start of a link's address: after the link's words in Markdown, before them in Slack's notation.
_DISGUISES = re.compile(r"\](?=[(\[])|<(?=[a-z][a-z0-9+.-]*:)", re.IGNORECASE)


def without_calls(text: str) -> str:
    """Return `text` with a blank after each mention sign, because no escape stops GitHub or a chat from notifying.

    >>> without_calls("@here: api@sha256:aa, <!channel>")
    '@ here: api@sha256:aa, <! channel>'
    """
    return _CALLS.sub(lambda call: f"{call[0]} ", text)


def without_disguised_links(text: str) -> str:
    """Return `text` with a blank in each link that shows other words than its address: not all chats get escapes.

    >>> without_disguised_links("[reset it](https://evil.example) <https://evil.example|here>")
    '[reset it] (https://evil.example) < https://evil.example|here>'
    """
    return _DISGUISES.sub(lambda found: f"{found[0]} ", text)


def escaped(text: str) -> str:
    """Return untrusted text as one line of Markdown that shows it verbatim."""
    line = _SPECIAL.sub(r"\\\g<0>", " ".join(visible(text).split()))
    begin = _BEGINS.match(line)
    return f"{begin[0]}\\{line[begin.end() :]}" if begin else line


def code(text: str) -> str:
    """Return untrusted text as inline code for a line of Markdown."""
    line = " ".join(visible(text).split())
    marks = fence(line, 1)
    space = " " if "`" in line else ""
    return f"{marks}{space}{line}{space}{marks}"


def fence(text: str, least: int) -> str:
    """Return a run of backticks longer than any in `text`, at least `least`."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])
