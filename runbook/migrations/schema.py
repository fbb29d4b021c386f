"""The verdict of one incident: what was read from the database and the target's image, and what follows from it."""

from runbook.migrations import verdict
from runbook.migrations.database import revisions_of
from runbook.migrations.in_image import ImageMigrations, migrations_in
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
    found = migrations_in(tools.host, image, settings, tools.settings.deadlines.command)
    tools.incident.learn(
        "target migrations",
        {
            "heads": list(found.heads),
            "builds_upon": {key: list(value) for key, value in found.builds_upon.items()},
        },
    )


def fits(tools: Toolbox) -> Expectation:
    """That the verdict lets the application go back and the schema stay."""

    def look() -> Seen:
        facts = tools.incident.facts
        graph = facts["target migrations"]
        migrations = ImageMigrations(tuple(graph["heads"]), {key: tuple(v) for key, v in graph["builds_upon"].items()})
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
