"""The verdict of one incident: what was read from the database and the target's image, and what follows from it."""

import json

from runbook.migrations import verdict
from runbook.migrations.database import revisions_of
from runbook.migrations.image_answer import to_json
from runbook.migrations.in_image import ask_image, read_answer
from runbook.release import Release
from runbook.sentence import Expectation, Seen
from runbook.toolbox import Toolbox


def read_revision(tools: Toolbox) -> None:
    """Put the database's revisions on record. Raises Inconclusive when the database does not tell."""
    found = revisions_of(tools.production, tools.settings.database)
    tools.incident.learn("schema", list(found))


def read_target(tools: Toolbox, release: Release) -> None:
    """Put the target's revision graph on record, read from its own image. Raises Inconclusive when it does not tell."""
    settings = tools.settings.migrations
    image = release.pinned(settings.service)
    found = ask_image(tools.host, image, settings, environment={}, span=None, deadline=tools.settings.deadlines.command)
    found.read_graph()
    tools.incident.learn("target migrations", to_json(found))


def fits(tools: Toolbox) -> Expectation:
    """That the verdict lets the application go back and the schema stay."""

    def look() -> Seen:
        facts = tools.incident.facts
        migrations = read_answer(json.dumps(facts["target migrations"]))
        found = verdict.assess(facts["schema"], migrations)
        tools.incident.learn("verdict", {"verdict": found.verdict, "evidence": list(found.evidence)})
        tools.incident.decide(
            "Can the target's code live with the database's schema?", found.verdict, list(found.evidence)
        )
        return Seen(
            found.verdict is verdict.Verdict.UNCHANGED,
            f"verdict {found.verdict}: {'; '.join(found.evidence)}",
            final=True,
        )

    return Expectation(
        "the verdict unchanged",
        look,
        "a human must decide: ship a forward-fix, or name a target with the same migrations with --to TAG",
    )
