"""The traffic gate's state in a snapshot: what the gate reports, compared with the public URL's answer."""

from enum import StrEnum

#: The gate's state in a snapshot if there is no gate.
NO_GATE = "none"


class By(StrEnum):
    """Who answers at the public URL.

    SOMEBODY: neither the gateway's error nor identified as the application. HELD: the gate holds, and the request was
    not answered within a moment.
    """

    APPLICATION = "application"
    GATEWAY = "gateway"
    SOMEBODY = "somebody"
    HELD = "held"
    NOBODY = "nobody"


def contradiction(gate: str, by: str, seen: str) -> str | None:
    """Return the contradiction between the gate's report and the public URL's answer; None if there is none.

    >>> contradiction("closed", "application", "http://shop/ answers 200")
    'contradiction: the gate says closed, but http://shop/ answers 200: traffic may not be paused'
    """
    if gate in ("closed", "held") and by in (By.APPLICATION, By.SOMEBODY):
        return f"contradiction: the gate says {gate}, but {seen}: traffic may not be paused"
    if gate == "open" and by in (By.GATEWAY, By.SOMEBODY):
        return f"contradiction: the gate says open, but {seen}: traffic may be paused"
    return None


def describe_gate(gate: str, public: tuple[str, str] | None) -> str:
    """Return the gate's report in words for the terminal.

    `public` is who answered at the public URL, and what was seen there.
    """
    told = {
        "closed": "closed (TRAFFIC IS PAUSED)",
        "held": "held (REQUESTS WAIT, LATER THEY ARE REFUSED)",
        "open": "open (traffic is served)",
        NO_GATE: "none configured",
    }
    words = told.get(gate, gate)
    if public is None:
        return words
    by, seen = public
    return contradiction(gate, by, seen) or (
        f"{gate}, reported by the gate; {seen}" if by == By.NOBODY and gate != NO_GATE else words
    )
