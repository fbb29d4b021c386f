"""The last look at production: a rollback has passed only if production is in the planned state."""

from runbook.actions import Check, Observation
from runbook.chapters import roll_back_application
from runbook.chapters.context import Context
from runbook.chapters.target import pinned_release
from runbook.errors import Inconclusive
from runbook.journal.availability import Availability
from runbook.production.containers import Container
from runbook.release import Release

#: How many of the newest probes of the public address must be good.
_NEWEST = 3


def as_it_was_to_be(context: Context) -> Check:
    """Check that production runs the target as its files say, and serves users.

    The containers run the pinned digests, the env file names the target, the files describe what runs, the traffic gate
    is open, the public address answers from the target, and its newest probes are good. Only the public address is
    waited for. A change by somebody else does not revert with time.
    """
    release = pinned_release(context)
    every = (
        context.health.check_pinned_images(release),
        _named_by_the_files(context, release),
        roll_back_application.files_agree_with_containers(context),
        context.gate.check_open(),
    )
    # What the settings leave out is reported in its own steps.
    settled = [check for check in every if check.not_configured is None]
    serving = context.gate.check_serves(release.tag)

    def observe() -> Observation:
        found = [each.observe() for each in settled]
        stopped = [each.one_line for each in context.production.application() if not _runs(each)]
        if bad := [*stopped, *(seen.seen for seen in found if not seen.ok)]:
            return Observation(ok=False, seen="; ".join(bad), final=True)
        asked = [] if serving.not_configured else [serving.observe()]
        public = [*asked, newest_probes(context.availability())]
        bad = [seen.seen for seen in public if not seen.ok]
        return Observation(not bad, "; ".join(bad or [seen.seen for seen in (*found, *public)]))

    return Check(
        f"production on {release.tag} as its files say, serving users",
        observe,
        "something changed production: find out who or what deploys before you continue",
        serving.deadline,
        acceptable=False,
        afterwards=True,
    )


def _runs(container: Container) -> bool:
    return container.state == "running" and container.health in ("healthy", "none")


def _named_by_the_files(context: Context, release: Release) -> Check:
    def observe() -> Observation:
        images = context.production.images_with_tag()
        others = [str(image) for service, image in images.items() if image != release.images[service]]
        return Observation(not others, f"Compose would start {', '.join(others or map(str, images.values()))}")

    return Check(f"Compose to start {release.tag} from its files", observe, "look at the env file")


def newest_probes(known: Availability | None) -> Observation:
    """Return whether the newest probes of the public address were good. Passes if nothing is probed.

    Raises Inconclusive when probing stopped with an error.
    """
    if known is None:
        return Observation(ok=True, seen="no public address is probed")
    if known.error:
        raise Inconclusive(
            f"probing of the public address stopped: {known.error}", "request the public address by hand"
        )
    newest = sorted(known.recent, key=lambda probe: probe.began)[-_NEWEST:]
    if not newest:
        return Observation(ok=False, seen="no probe of the public address has finished yet")
    good = sum(probe.good for probe in newest)
    return Observation(good == len(newest), f"{good} of the last {len(newest)} probes of the public address are good")
