"""What counts as the same in a plan and in its execution; docs/journal.md, "A plan and its execution", says why."""

import re
from collections.abc import Sequence
from typing import TypeVar

from runbook.actions import not_known_yet

_Value = TypeVar("_Value")

#: What a planned message says in the place of what is known only when it is sent.
_NOT_KNOWN_YET = re.compile(re.escape(re.escape(not_known_yet("…"))).replace("…", r"[^\]]*"))
#: A plan's state of a change, and the one that its execution may have. A plan fetches the target's images for real.
_STATES = {("planned", "done"), ("done", "already so"), ("already so", "already so")}


def without_name(value: _Value, incident: str) -> _Value:
    """The same JSON value with the incident's own name, which stands in paths and messages, taken out of it."""
    if isinstance(value, str):
        return value.replace(incident, "INCIDENT")  # type: ignore[return-value]  # a str for a str
    if isinstance(value, list):
        return [without_name(item, incident) for item in value]  # type: ignore[return-value]  # a list for a list
    if isinstance(value, dict):
        return {key: without_name(item, incident) for key, item in value.items()}  # type: ignore[return-value]  # so too
    return value


def as_planned(planned: str, executed: str) -> bool:
    """Tell whether an execution may leave a change in this state when its plan left it in that one."""
    return (planned, executed) in _STATES


def same_action(planned: str, executed: str) -> bool:
    """Tell whether a command or message is the planned one, but for what could not be known yet."""
    return re.fullmatch(_NOT_KNOWN_YET.sub(r"\\S+", re.escape(planned)), executed) is not None


def same_actions(planned: Sequence[str], executed: Sequence[str]) -> bool:
    """Tell whether these are the planned commands and messages, in their order."""
    return len(planned) == len(executed) and all(map(same_action, planned, executed))
