"""The text of the follow-up ticket: what failed, what happened to the schema, and what is left to do."""

from runbook.incident.facts import Facts, Strategy
from runbook.incident.schema_facts import Bridge
from runbook.notify.markup import Markup
from runbook.notify.wording import from_to, is_forward, schema_told, switched_off
from runbook.release import digest_told


def ticket(project: str, facts: Facts, restore_point: str, markup: Markup) -> tuple[str, str]:
    """Return the title, and the text in the tracker's `markup`. `restore_point` is in words, or empty."""
    text, code = markup.text, markup.code
    failed, target = from_to(facts)
    target_digests = set(facts.target.digests.values()) if facts.target else set()
    ran = facts.origin.digests if facts.origin else {}
    digests = {service: digest for service, digest in ran.items() if digest not in target_digests}
    lines = [
        f"{code(failed)} failed in production of {code(project)}, which now runs {code(target)}.",
        "",
        *(f"- {text(line)}" for line in schema_told(facts, restore_point)),
        *(f"- {code(service)} of the failed release: {code(digest_told(ran))}" for service, ran in digests.items()),
        "",
        *_to_do(facts, restore_point, markup),
        *map(text, switched_off(facts)),
        "Do not deploy the failed tag again: post-deploy validation refuses its digests.",
    ]
    title = f"Follow-up to {failed}, fixed by {target}" if is_forward(facts) else f"Forward-fix for {failed}"
    return markup.title(f"{title} ({project})"), "\n".join(lines)


def _to_do(facts: Facts, restore_point: str, markup: Markup) -> list[str]:
    losses = [f"- {markup.text(loss)}" for loss in facts.loss or ()]
    if is_forward(facts):
        mend = "To do: find the cause, and correct the data that the failed release wrote."
        return [
            mend,
            *(["What its migrations destroyed is in the restore point:", "", *losses, ""] if losses else []),
        ]
    to_do = "To do: find the cause, ship a forward-fix under a new tag, and let its post-deploy validation pass."
    if facts.strategy is Strategy.BRIDGE and facts.bridge:
        return [to_do, *_bridge_to_take_away(facts.bridge, markup)]
    if (facts.strategy is not Strategy.DOWNGRADE and not restore_point) or facts.loss == ():
        return [to_do]
    losses = losses or ["- see the record of the run that took it"]
    drift = "Reconcile the data drift: the restore point has what the downgrade destroyed:"
    return [to_do, drift, "", *losses, ""]


def _bridge_to_take_away(bridge: Bridge, markup: Markup) -> list[str]:
    """Return how to remove the bridge, and the queries for rows that must be fixed first."""
    against = [each.rows for each in bridge.relaxed if each.rows]
    mended = "First fix the rows that the original schema refuses; these queries list them:"
    rows = [mended, "", *(f"- {markup.code(rows)}" for rows in against), ""] if against else []
    by_hand = "`--forward-fix TAG` removes the bridge first. By hand, in one transaction, before any migration:"
    return [*rows, markup.text(by_hand), "", *(f"- {markup.code(sql)}" for sql in bridge.down), ""]
