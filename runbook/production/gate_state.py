"""The traffic gate's state in a snapshot: its own word, held against what the public URL answered."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from runbook.errors import why_unknown


class By(StrEnum):
    """Who answers at the public URL. SOMEBODY: not the gateway's own error, and not named as the application's."""

    APPLICATION = "application"
    GATEWAY = "gateway"
    SOMEBODY = "somebody"
    NOBODY = "nobody"


def contradiction(gate: str, by: str, seen: str) -> str | None:
    """Say what contradicts the gate's own word; None when nothing does.

    >>> contradiction("closed", "application", "http://shop/ answers 200")
    'contradiction: the gate says closed, and http://shop/ answers 200: traffic may not be paused'
    """
    if gate == "closed" and by in (By.APPLICATION, By.SOMEBODY):
        return f"contradiction: the gate says closed, and {seen}: traffic may not be paused"
    if gate == "open" and by in (By.GATEWAY, By.SOMEBODY):
        return f"contradiction: the gate says open, and {seen}: traffic may be paused"
    return None


def describe_gate(snapshot: Mapping[str, Any]) -> str:
    """Return the gate's state in a snapshot, in words for the terminal."""
    gate, public = why_unknown(snapshot["gate"]) or str(snapshot["gate"]), snapshot.get("public")
    words = {"closed": "closed (TRAFFIC IS PAUSED)", "open": "open (traffic is served)"}.get(gate, gate)
    if not isinstance(public, Mapping):
        return words
    if found := contradiction(gate, public["by"], public["seen"]):
        return found
    return f"{gate}, by its own word; {public['seen']}" if public["by"] == By.NOBODY else words


def is_closed(snapshot: Mapping[str, Any]) -> bool:
    """Tell whether traffic is paused: the gate says closed, and nothing contradicts it."""
    public = snapshot.get("public")
    by, seen = (public["by"], public["seen"]) if isinstance(public, Mapping) else ("", "")
    return snapshot.get("gate") == "closed" and contradiction("closed", by, seen) is None
