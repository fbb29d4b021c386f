"""The facts of an incident in the words that people are told, whatever tells them."""

from runbook.incident.facts import Facts, Strategy, Unknown


def restore_point_told(path: str, size: str, sha256: str) -> str:
    """A restore point in words; `size` is in bytes."""
    return f"Restore point from before, on the production host: {path}, {size} bytes, sha256 {sha256}."


def schema_told(facts: Facts, restore_point: str) -> list[str]:
    """What became of the schema, and where what was in it is kept; `restore_point` is in words, or empty."""
    now, judged = _heads(facts), facts.verdict.verdict if facts.verdict else "unknown"
    if is_forward(facts):
        return [f"The schema was migrated on to {now}, which the new release brought."]
    verdict = f"Verdict on migrations: {judged}."
    if facts.strategy is Strategy.BRIDGE and facts.bridge:
        stays = f"The schema stays at {', '.join(facts.revisions or ()) or 'unknown'}, relaxed without touching a row:"
        return [verdict, f"{stays} {'; '.join(facts.bridge.told)}.", "That stands until a forward-fix takes it away."]
    if facts.strategy is Strategy.DOWNGRADE:
        kept = restore_point or "No restore point is on record."
        return [verdict, f"The schema was downgraded to {now}.", kept]
    if restore_point:
        return [verdict, "An earlier run, which broke off, downgraded the schema, or was about to.", restore_point]
    if judged == "additive":
        return [verdict, f"The schema stays at {', '.join(facts.revisions or ()) or 'unknown'}."]
    return [verdict]


def switched_off(facts: Facts) -> list[str]:
    """What users still miss, and who gives it back."""
    now = facts.after or facts.found_again or facts.before
    switches = {} if now is None or isinstance(now, Unknown) else now.switches
    return [
        f"Switched off: {name} ({switch.variable}={switch.value});"
        f" {switch.owner or 'nobody is named who'} turns it on again."
        for name, switch in sorted(switches.items())
        if switch.state == "off"
    ]


def is_forward(facts: Facts) -> bool:
    """Tell whether the way is forward, to a release that mends the schema."""
    return facts.strategy is Strategy.FORWARD_FIX


def from_to(facts: Facts) -> tuple[str, str]:
    """The tags of the failed release and of the target."""
    target = facts.target_tag or "an unknown release"
    failed = [tag for tag in facts.origin.tags if tag != target] if facts.origin else []
    return ", ".join(failed) or "the failed release", target


def _heads(facts: Facts) -> str:
    return ", ".join(facts.target_heads) or "the head of the target"
