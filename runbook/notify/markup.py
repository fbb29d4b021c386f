"""Untrusted text in tickets: escaped for Markdown, for Jira's notation, or as plain text."""

import re
from collections.abc import Callable
from typing import NamedTuple

from runbook import markdown
from runbook.actions import not_known_yet
from runbook.markdown import without_calls, without_disguised_links
from runbook.text import visible

# Escaped with a backslash (https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa).
_NOTATION = re.compile(r"[\\{}\[\]*_+^~?|!#&]|(?<!\w)-|-(?!\w)")

# `#12`, `owner/name#12`, `!12`, `GH-12`: GitHub and GitLab notify the readers of that issue, even if it is escaped.
_REFERENCE = re.compile(r"(?:[#!]|\bGH-)(?=\d)", re.IGNORECASE)

_NOT_YET = re.compile(re.escape(not_known_yet("…").replace("[", r"\[").replace("]", r"\]")).replace("…", r"[\w ]+"))


def _line(text: str) -> str:
    return without_calls(" ".join(visible(text).split()))


def _plain(text: str) -> str:
    return without_disguised_links(_line(text))  # the receiver may pass it on to a chat


def _jira(text: str) -> str:
    return _planned(_NOTATION.sub(r"\\\g<0>", _line(text)))


def _markdown(text: str) -> str:
    return _planned(markdown.escaped(_REFERENCE.sub(r"\g<0> ", without_calls(text))))


def _planned(written: str) -> str:
    """Return `written` with unescaped `not known yet` placeholders, as in the plan, so that the two can be compared."""
    return _NOT_YET.sub(lambda found: found[0].replace("\\", ""), written)


class Markup(NamedTuple):
    """The functions that escape untrusted text as text, as code and as a title, each on one line."""

    text: Callable[[str], str]
    code: Callable[[str], str]
    #: Titles have no markup in any tracker.
    title: Callable[[str], str] = _line

    def redacting(self, redact: Callable[[str], str]) -> "Markup":
        """Return the same functions with redaction first, because an escaped secret is not recognized."""
        return Markup(*(lambda text, write=write: write(redact(text)) for write in self))


MARKDOWN = Markup(_markdown, markdown.code)
JIRA = Markup(_jira, lambda text: f"{{{{{_jira(text)}}}}}")
PLAIN = Markup(_plain, _plain)
