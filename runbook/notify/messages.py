"""What people are told: the announcement and the follow-up ticket, in words."""

from collections.abc import Mapping
from typing import Any

from runbook.release import digest_told


def announcement(incident: str, project: str, facts: Mapping[str, Any], head: str, down: str) -> tuple[str, str]:
    """Title and text of the announcement, with the seconds that users were without service, in words (`down`).

    `head` is the journal's head hash, so that a copy lies outside the record.
    """
    failed, target = _from_to(facts)
    done = "went forward" if _forward(facts) else "was rolled back"
    lines = [
        f"{project} {done} from {failed} to {target}.",
        *_schema(facts),
        "The application is live and ready, and users are served.",
        f"Seconds without service, as measured: {down}.",
        *_switched_off(facts),
        f"Incident {incident}, journal head {head}.",
    ]
    title = "gone forward" if _forward(facts) else "rolled back"
    return f"{project}: {title} to {target}", "\n".join(lines)


def ticket(project: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Title and text of the follow-up ticket."""
    failed, target = _from_to(facts)
    target_digests = set(facts.get("target", {}).get("digests", {}).values())
    digests = {s: d for s, d in facts.get("origin", {}).get("digests", {}).items() if d not in target_digests}
    digests = {service: digest_told(digest) for service, digest in digests.items()}
    lines = [
        f"`{failed}` failed in production of `{project}`, which runs `{target}` since.",
        "",
        *(f"- {line}" for line in _schema(facts)),
        *(f"- `{service}` of the failed release: `{digest}`" for service, digest in digests.items()),
        "",
        *_to_do(facts),
        *_switched_off(facts),
        "Do not deploy the failed tag again: post-deploy validation refuses its digests.",
    ]
    title = f"Follow-up to {failed}, mended by {target}" if _forward(facts) else f"Forward-fix for {failed}"
    return f"{title} ({project})", "\n".join(lines)


def _schema(facts: Mapping[str, Any]) -> list[str]:
    """What became of the schema, and where what was in it is kept."""
    strategy, now = facts.get("strategy"), _heads(facts)
    if strategy == "forward-fix":
        return [f"The schema was migrated on to {now}, which the new release brought."]
    verdict = f"Verdict on migrations: {facts.get('verdict', {}).get('verdict', 'unknown')}."
    point = facts.get("restore point", {})
    kept = (
        f"Restore point from before, on the production host: {point.get('path', 'unknown')},"
        f" {point.get('size', 'unknown')} bytes, sha256 {point.get('sha256', 'unknown')}."
    )
    if strategy == "downgrade":
        return [verdict, f"The schema was downgraded to {now}.", kept]
    if point:
        return [verdict, "An earlier run, which broke off, downgraded the schema, or was about to.", kept]
    if facts.get("verdict", {}).get("verdict") == "additive":
        return [verdict, f"The schema stays at {', '.join(facts.get('schema', [])) or 'unknown'}."]
    return [verdict]


def _to_do(facts: Mapping[str, Any]) -> list[str]:
    if _forward(facts):
        mend = "To do: find the cause, and reconcile what the failed release wrote with what should be there."
        lost = "; ".join(map(str, facts.get("loss", [])))
        return [mend, *([f"What its migrations destroyed is in the restore point alone ({lost})."] if lost else [])]
    to_do = "To do: find the cause, ship a forward-fix under a new tag, and let its post-deploy validation pass."
    if (facts.get("strategy") != "downgrade" and "restore point" not in facts) or facts.get("loss") == []:
        return [to_do]
    losses = "; ".join(map(str, facts.get("loss", []))) or "see the record of the run that took it"
    return [to_do, f"Reconcile the data drift: the downgrade destroyed what only the restore point has ({losses})."]


def _switched_off(facts: Mapping[str, Any]) -> list[str]:
    """What users still miss, and who gives it back."""
    now = facts.get("after") or facts.get("found again") or facts.get("before") or {}
    return [
        f"Switched off: {name} ({switch['variable']}={switch['value']});"
        f" {switch['owner'] or 'nobody is named who'} turns it on again."
        for name, switch in sorted(now.get("switches", {}).items())
        if switch["state"] == "off"
    ]


def _forward(facts: Mapping[str, Any]) -> bool:
    return facts.get("strategy") == "forward-fix"


def _heads(facts: Mapping[str, Any]) -> str:
    graph = facts.get("target migrations", {}).get("graph") or {}
    return ", ".join(graph.get("heads", [])) or "the head of the target"


def _from_to(facts: Mapping[str, Any]) -> tuple[str, str]:
    target = str(facts.get("target", {}).get("tag", "an unknown release"))
    failed = [tag for tag in facts.get("origin", {}).get("tags", []) if tag != target]
    return ", ".join(failed) or "the failed release", target
