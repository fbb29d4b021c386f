"""Foreign text in what trackers show: in Markdown, in Jira's notation, and in none."""

import re
from collections.abc import Callable
from typing import NamedTuple

from runbook import markdown
from runbook.actions import not_known_yet
from runbook.markdown import without_calls, without_disguised_links
from runbook.text import visible

# https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa: a backslash takes the meaning from each.
_NOTATION = re.compile(r"[\\{}\[\]*_+^~?|!#&]|(?<!\w)-|-(?!\w)")

# `#12`, `owner/name#12`, `!12`, `GH-12`: GitHub and GitLab tell the readers of that issue of it, whatever is escaped.
_REFERENCE = re.compile(r"(?:[#!]|\bGH-)(?=\d)", re.IGNORECASE)

_NOT_YET = re.compile(re.escape(not_known_yet("…").replace("[", r"\[").replace("]", r"\]")).replace("…", r"[\w ]+"))


def _line(text: str) -> str:
    return without_calls(" ".join(visible(text).split()))


def _plain(text: str) -> str:
    return without_disguised_links(_line(text))  # whoever takes it may pass it on to a chat


def _jira(text: str) -> str:
    return _planned(_NOTATION.sub(r"\\\g<0>", _line(text)))


def _markdown(text: str) -> str:
    return _planned(markdown.escaped(_REFERENCE.sub(r"\g<0> ", without_calls(text))))


def _planned(written: str) -> str:
    """`written` with what only the execution can know as a plan says it everywhere, so that the two can be compared."""
    return _NOT_YET.sub(lambda found: found[0].replace("\\", ""), written)


class Markup(NamedTuple):
    """How foreign text is written within a text of ours, and as code there; each gives one line."""

    text: Callable[[str], str]
    code: Callable[[str], str]
    #: A title is no markup anywhere.
    title: Callable[[str], str] = _line

    def redacting(self, redact: Callable[[str], str]) -> "Markup":
        """Return the same, which redacts first: an escaped secret is not recognised any more."""
        return Markup(*(lambda text, write=write: write(redact(text)) for write in self))


MARKDOWN = Markup(_markdown, markdown.code)
JIRA = Markup(_jira, lambda text: f"{{{{{_jira(text)}}}}}")
PLAIN = Markup(_plain, _plain)
