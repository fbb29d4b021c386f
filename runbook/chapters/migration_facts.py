"""The migration facts of one incident: read from the database and both images, and recorded for the verdict."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from runbook.actions import Check, left_out, recorded
from runbook.chapters.context import Context
from runbook.chapters.migrating import schema_revisions
from runbook.chapters.target import pinned_release
from runbook.errors import Inconclusive
from runbook.migrations.image.contained import remove_overdue
from runbook.migrations.image.probe import ask_image, question_to
from runbook.migrations.image.report import ImageReport, Migration, Problem, Sql, read_report, to_json
from runbook.production.compose import unescaped
from runbook.release import Release


@dataclass(frozen=True)
class Schema:
    """The database's revisions, the target's migrations, and the failed release's migrations in the range.

    `failed` is None if there is no range, because the database is at the target's heads or a forward-fix was named.
    Before a deploy, `failed` has the migrations of the release to deploy.
    """

    database: tuple[str, ...]
    target: ImageReport
    failed: ImageReport | None

    @property
    def same(self) -> bool:
        """Whether the database is at exactly the revisions that the target expects."""
        return set(self.database) == set(self.target.heads)

    @property
    def upgrade_sql(self) -> str:
        """The SQL from the target's head to the database's revision; empty if unknown."""
        upgrade = self.failed.upgrade if self.failed else None
        return (upgrade.sql if upgrade else None) or ""

    @property
    def way(self) -> tuple[str, str] | None:
        """The target's revision and the database's revision between which the schema was migrated.

        None if more than one branch was migrated. All other branches, if any, are unchanged.
        """
        return one_way(self.target.heads, self.database)

    @property
    def target_head(self) -> str:
        """The target's only head. Raises Inconclusive when it does not have exactly one."""
        if len(self.target.heads) != 1:
            raise Inconclusive(
                f"the target's image has {len(self.target.heads)} heads: {', '.join(self.target.heads)}",
                "merge them in a forward-fix; a downgrade would be ambiguous",
            )
        return self.target.heads[0]


def one_way(heads: Sequence[str], at: Sequence[str]) -> tuple[str, str] | None:
    """Return the one revision of `heads` that was replaced, and the revision of `at` that replaced it.

    None if several were replaced, or if one was added or removed.

    >>> one_way(["a2", "b2"], ["a2", "b3"]), one_way(["a2", "b2"], ["merged"]), one_way(["a2"], ["a2", "b1"])
    (('b2', 'b3'), None, None)
    """
    before, after = set(heads) - set(at), set(at) - set(heads)
    return (before.pop(), after.pop()) if len(before) == len(after) == 1 else None


def reached(context: Context) -> str | None:
    """Return the evidence that the database is at the target's head, in words; None if it is not.

    At the target's head nothing is left to undo or to migrate.
    """
    head = of(context).target_head
    return f"the database is at {head}" if set(schema_revisions.revisions(context)) == {head} else None


def steps_to_undo(context: Context) -> tuple[Migration, ...]:
    """Return the revisions between the target's head and the database, newest first.

    Raises Inconclusive when the failed release's image was not asked.
    """
    failed = of(context).failed
    if failed is None:
        raise Inconclusive("the failed release's image was not asked", "run chapter 1: `pytest features`")
    return failed.steps


def decided(context: Context) -> bool:
    """Return whether this incident has decided its strategy. The facts behind the decision are then not read again."""
    return context.incident.facts.strategy is not None


def read_revision(context: Context) -> Check:
    """Read the database's revisions and record them."""
    if absent := schema_revisions.unchecked(context):
        return left_out("the schema revision of the database", absent)

    def look() -> str:
        now = schema_revisions.revisions
        revisions = context.incident.ahead.found(now, partial(now, context))
        context.incident.record_fact("schema found again" if decided(context) else "schema", revisions)
        return f"the database is at {', '.join(revisions) or 'no revision'}"

    return recorded("the schema revision of the database", look)


def read_target(context: Context, release: Release) -> Check:
    """Read the migrations of the target's image and record them."""
    if absent := schema_revisions.unchecked(context):
        return left_out(f"the migrations that {release.tag} includes", absent)

    def look() -> str:
        if decided(context):
            context.incident.confirm("target migrations")
        else:
            _ask_target(context, release)
        return f"its head is {', '.join(of(context).target.heads)}"

    return recorded(f"the migrations that {release.tag} includes", look)


def _ask_target(context: Context, release: Release) -> None:
    found = context.incident.ahead.found(read_target, partial(_target_told, context, release))
    found.read_graph()
    at = context.incident.facts.revisions or ()
    if context.options.forward_fix and len(at) == 1 and found.continues(*at) and found.heads != at:
        # Ask also for the migrations from the database's revision to the forward-fix's head.
        found = _ask(context, release.pinned(context.settings.migrations.service), release.tag, (at[0], found.heads[0]))
        found.read_graph()
    context.incident.record_fact("target migrations", to_json(found))


def read_failed(context: Context) -> Check:
    """Read the failed release's migrations from the target's head to the database, and record them.

    If there is no range, no image is asked, and null is recorded.
    """
    if absent := schema_revisions.unchecked(context):
        return left_out("the migrations that the failed release added", absent)

    def look() -> str:
        if decided(context) and context.incident.facts.on_record("failed_migrations"):
            context.incident.confirm("failed migrations")
        else:
            _ask_failed(context)
        failed = of(context).failed
        if failed is None:
            return "nothing to undo"
        return f"from {failed.span.lower} to {failed.span.upper}" if failed.span else failed.why("span")

    return recorded("the migrations that the failed release added", look)


def _ask_failed(context: Context) -> None:
    known = of(context)
    if known.same or context.options.forward_fix:
        context.incident.record_fact("failed migrations", None)
        return
    own = schema_revisions.is_own(context)
    span = None if own else known.way
    asked_of, found = context.incident.ahead.found(read_failed, _not_asked)
    if found is None or asked_of != span:
        found = schema_revisions.heads(context, None) if own else _ask(context, failed_image(context), None, span)
    context.incident.record_fact("failed migrations", to_json(_of_one_branch(known, found, own=own)))


def _of_one_branch(known: Schema, found: ImageReport, *, own: bool) -> ImageReport:
    """Return an image's report, without the range unless exactly one independent branch was migrated."""
    if own:
        return found
    shared = (
        sorted(each.revision for each in found.span.steps if known.target.knows(each.revision)) if found.span else []
    )
    if known.way is None:
        why = f"more than one branch was migrated from {', '.join(known.target.heads)} to {', '.join(known.database)}"
    elif shared:
        why = f"it depends on {', '.join(shared)} of another branch, which the target also has"
    else:
        return found
    problems = (*(each for each in found.problems if each.what != "span"), Problem("span", why))
    return replace(found, span=None, upgrade=None, downgrade=None, problems=problems)


def _not_asked() -> tuple[tuple[str, str] | None, ImageReport | None]:
    return None, None


def _target_told(context: Context, release: Release) -> ImageReport:
    return _ask(context, release.pinned(context.settings.migrations.service), release.tag, None)


def images_ahead(context: Context, release: Release, expected: tuple[str, ...]) -> dict[Any, Callable[[], Any]]:
    """Return the looks ahead at the migrations of both images.

    The failed release's image is asked only if the database is not at `expected`. `expected` is empty if it is unknown
    at which revisions the target was validated; that image is not asked then either.
    """

    def failed() -> tuple[tuple[str, str] | None, ImageReport | None]:
        at = context.database.revisions()
        span = one_way(expected, at)
        if span is None:
            return _not_asked()
        return span, _ask(context, failed_image(context), None, span)

    return {read_target: partial(_target_told, context, release), read_failed: failed}


def failed_image(context: Context) -> str:
    """Return the failed release's image by its recorded digest, or the running image if the host does not have it.

    After an interrupted run the failed release may no longer run.
    """
    service, origin = context.settings.migrations.service, context.incident.facts.failed
    digest = origin.digests.get(service, "")
    pinned = context.production.images_with_tag(origin.tags[0])[service].at(digest) if origin.tags else ""
    if digest.startswith("sha256:") and context.production.image_id(pinned):
        return pinned
    return context.production.of_services([service])[0].image_id


def read_running(context: Context) -> Check:
    """Read the migrations of the running image and record them as the target's. Used before a deploy."""
    if absent := schema_revisions.unchecked(context):
        return left_out("the migrations of the release that runs now", absent)

    def look() -> str:
        found = ask_running(context)
        context.incident.record_fact("target migrations", to_json(found))
        return f"its head is {', '.join(found.heads)}"

    return recorded("the migrations of the release that runs now", look)


def read_added(context: Context, release: Release) -> Check:
    """Read the migrations of the release to deploy, from the target's head to its own head.

    They are recorded as the failed release's migrations.
    """
    if absent := schema_revisions.unchecked(context):
        return left_out(f"the migrations that {release.tag} adds", absent)

    def look() -> str:
        image, heads = release.pinned(context.settings.migrations.service), context.incident.facts.target_heads
        found = asked(context, image, release.tag)
        if len(heads) == len(found.heads) == 1 and heads != found.heads:
            found = _ask(context, image, release.tag, (heads[0], found.heads[0]))
            found.read_graph()
        context.incident.record_fact("failed migrations", to_json(found))
        at = f"its head is {', '.join(found.heads)}"
        if found.span:
            return f"{at}; it adds {', '.join(each.revision for each in found.span.steps[::-1])}"
        return f"{at}; it adds none" if heads == found.heads else f"{at}; what it adds is unknown: {found.why('span')}"

    return recorded(f"the migrations that {release.tag} adds", look)


def ask_running(context: Context) -> ImageReport:
    """Return the migration report of the running image. Each image is asked once per run.

    The target was asked in chapter 1, so it is not asked again behind the closed gate. Raises Inconclusive when the
    image does not report its revisions.
    """
    service = context.settings.migrations.service
    image = context.production.of_services([service])[0].image_id
    if image not in context.asked_images:
        if (
            context.incident.facts.target_migrations
            and context.production.image_id(pinned_release(context).pinned(service)) == image
        ):
            found = of(context).target
            context.asked_images[image] = found
        else:
            asked(context, image, None)
    return context.asked_images[image]


def ask_failed(context: Context) -> ImageReport:
    """Return the migration report of the failed release. Raises Inconclusive when it does not have the revisions."""
    return asked(context, failed_image(context), None)


def asked(context: Context, image: str, tag: str | None) -> ImageReport:
    """Return the migration report of an image, asked once per run. `tag` is its release's; None if it is running.

    Raises Inconclusive when the report does not have the revisions.
    """
    if image not in context.asked_images:
        found = _ask(context, image, tag, None)
        found.read_graph()
        context.asked_images[image] = found
    return context.asked_images[image]


def of(context: Context) -> Schema:
    """Return the recorded migration facts. Raises Inconclusive when chapter 1 has not run."""
    facts = context.incident.facts
    if facts.revisions is None or facts.target_migrations is None:
        raise Inconclusive("the migrations were not checked in this incident", "run chapter 1: `pytest features`")
    target, added = facts.target_migrations, facts.failed_migrations
    failed = None if added is None else _with_what_ran(context, read_report(json.dumps(added)))
    # Before a deploy the database is judged as the release to deploy would leave it.
    database = failed.heads if failed and facts.release_to_deploy else facts.revisions
    return Schema(database, read_report(json.dumps(target)), failed)


def _with_what_ran(context: Context, failed: ImageReport) -> ImageReport:
    """Add the SQL that ran on the copy of the schema, from the recorded verdict, if the image gave no SQL."""
    verdict = context.incident.facts.verdict
    if verdict is None or not decided(context):
        return failed
    up, down = (
        known if sql is None else Sql(sql, known.bodies if known else {})
        for sql, known in ((verdict.upgrade_sql, failed.upgrade), (verdict.downgrade_sql, failed.downgrade))
    )
    return replace(failed, upgrade=up, downgrade=down)


def _ask(context: Context, image: str, tag: str | None, span: tuple[str, str] | None) -> ImageReport:
    if schema_revisions.is_own(context):
        return schema_revisions.heads(context, tag)
    settings, deadline = context.settings.migrations, context.settings.deadlines.command
    environment, path = _question(context, image, tag, span)
    if (known := context.kept.read(path, read_report)) is not None:
        return known
    remove_overdue(context.host, deadline)
    found = ask_image(context.host, image, settings, environment=environment, span=span, deadline=deadline)
    if not found.problems:  # a later run may succeed in reading the rest
        context.kept.keep(path, to_json(found))
    return found


def answered_earlier(context: Context, release: Release) -> bool:
    """Return whether an earlier run kept the answer of the image of `release` about its migrations."""
    _, path = _question(context, release.pinned(context.settings.migrations.service), release.tag, None)
    return context.kept.read(path, read_report) is not None


def _question(
    context: Context, image: str, tag: str | None, span: tuple[str, str] | None
) -> tuple[dict[str, str], Path | None]:
    """Return the environment for asking an image, and the path of its kept answer; None if it is not kept."""
    settings = context.settings.migrations
    given = context.production.services(tag)[settings.service].get("environment") or {}
    environment = {name: unescaped(value) for name, value in given.items() if value is not None}
    held = context.production.image_id(image)
    return environment, context.kept.path(question_to(held, settings, environment, span)) if held else None
