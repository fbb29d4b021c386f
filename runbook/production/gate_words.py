"""What the traffic gate is, in words, from its own word and from what the public address answers."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class By(StrEnum):
    """Who answers at the public address. SOMEBODY: no error of the gateway's, and not named as the application's."""

    APPLICATION = "application"
    GATEWAY = "gateway"
    SOMEBODY = "somebody"
    NOBODY = "nobody"


def contradiction(gate: str, by: str, seen: str) -> str | None:
    """What contradicts the gate's own word, in words; None when nothing does."""
    if gate == "closed" and by in (By.APPLICATION, By.SOMEBODY):
        return f"contradiction: the gate says closed, and {seen}: users may be let in"
    if gate == "open" and by in (By.GATEWAY, By.SOMEBODY):
        return f"contradiction: the gate says open, and {seen}: users may be kept out"
    return None


def gate_told(snapshot: Mapping[str, Any]) -> str:
    """The gate of a snapshot in words, for people who must know whether users are kept out."""
    gate, public = str(snapshot["gate"]), snapshot.get("public")
    words = {"closed": "closed (USERS ARE KEPT OUT)", "open": "open (users are let in)"}.get(gate, gate)
    if not isinstance(public, Mapping):
        return words
    if told := contradiction(gate, public["by"], public["seen"]):
        return told
    return f"{gate}, by its own word; {public['seen']}" if public["by"] == By.NOBODY else words


def is_closed(snapshot: Mapping[str, Any]) -> bool:
    """Tell whether users are kept out: the gate says so, and nothing contradicts it."""
    public = snapshot.get("public")
    by, seen = (public["by"], public["seen"]) if isinstance(public, Mapping) else ("", "")
    return snapshot.get("gate") == "closed" and contradiction("closed", by, seen) is None
