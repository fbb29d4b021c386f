"""Chapter 1: the target and its digests, and its images on the host."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from runbook.actions import Action, ActionName, Check, Observation, Question, Scope, recorded
from runbook.chapters import migration_facts
from runbook.chapters.checks import several_hosts
from runbook.chapters.choosing.choice import QUESTION, choose_target, list_on_record
from runbook.chapters.choosing.pick_list import told
from runbook.chapters.context import Context
from runbook.chapters.snapshot import take
from runbook.chapters.target import pinned_release
from runbook.errors import (
    Inconclusive,
    RegistryError,
    RegistryRefused,
    ReleaseNotFound,
    TargetError,
)
from runbook.incident.facts import BeginAnew, UnderWay
from runbook.incident.production_facts import Origin, ReleaseFact, Snapshot
from runbook.production.service.gate_state import NO_GATE
from runbook.release import ImageName, Release
from runbook.shared_state.open_rollback import incidents_of
from runbook.targets.candidate import Candidate, Kind
from runbook.targets.selection import Choice, choose


def identify(context: Context) -> Check:
    """Check that there is a release to return to, pin it, and record it with its evidence."""

    def look() -> str:
        release, listed = _pinned(context, context.options.forward_fix or context.options.target)
        pinned = f"{release.tag}: {release.shown}"
        return "\n".join([pinned, *listed])

    return recorded("a release to return to", look)


def pin_target(context: Context, asked_for: str | None) -> Release:
    """Choose the target, pin its digests, and record the evidence and the releases that were passed over.

    If another incident's rollback was interrupted, its failed release counts as the failed release, and its target is
    the target unless another one was requested. A resumed incident keeps its target. Raises TargetError, or
    RegistryError when the registry refuses or has no such tag. A registry that is down is no obstacle if the images are
    on the host.
    """
    return _pinned(context, asked_for)[0]


def _pinned(context: Context, asked_for: str | None) -> tuple[Release, list[str]]:
    """Return the target, and the candidates that it was chosen from, in words."""
    if context.incident.facts.target:
        return _still_pinned(context), []
    before = context.incident.facts.seen_before
    under_way = context.open_rollback.for_running_tags(before.tags)
    failed = _failed_before(context, under_way) if under_way else before.as_origin()
    context.incident.record_fact("origin", failed)
    of_all = several_hosts.target_of_all(context, named=bool(asked_for or under_way))
    chosen = choose_target(context, failed, before, of_all or asked_for or (under_way["target"] if under_way else None))
    choice, candidate = chosen.choice, chosen.choice.chosen
    images = context.production.images_with_tag(candidate.tag)
    evidence = [candidate.evidence]
    if under_way:
        for incident in incidents_of(under_way):
            if context.settings.database:
                context.restore_point.remember(incident)
        evidence.append(f"incident {under_way['incident']} was rolling back to {under_way['target']} when interrupted")
    digests = {}
    with list_on_record(context, chosen.found):
        for service, image in images.items():
            digest, origin = _pin(context, service, image, candidate)
            digests[service] = digest
            evidence.append(f"{service}: {image} is {digest}, {origin}")
        evidence += [f"passed over {reason}" for reason in choice.passed_over]
        if failed_before := context.quarantine.reason(digests.values()):
            if under_way:
                # With --resume, or in a new plan without --to, the same release would be chosen again.
                _begin_anew(context, f"{candidate.tag} is in quarantine now", *_another(context))
            raise TargetError(
                f"{candidate.tag} is in quarantine: {failed_before}",
                "name another release with --to TAG, or ship a forward-fix",
            )
    release = Release(candidate.tag, images, digests)
    several_hosts.refuse_other_digests(context, release)
    passed_over = [asdict(each) for each in choice.passed_over]
    option = _asked_by(context)
    context.incident.record_decision(
        Question.TARGET, QUESTION, candidate.tag, evidence, option=option, passed_over=passed_over, **chosen.found
    )
    context.incident.record_fact("target", ReleaseFact.of(release))
    if under_way is None and _runs_already(before, release, context.settings.project.tag_variable):
        why = f"{release.tag} already runs and serves traffic, and no rollback is open"
        context.incident.record_fact("nothing to do", why)
    return release, told(chosen.found)


def _failed_before(context: Context, under_way: Mapping[str, Any]) -> Origin:
    """Return the failed release from the note of the rollback under way."""
    try:
        return Origin.model_validate(under_way["before"])
    except ValidationError:
        raise Inconclusive(
            f"{context.open_rollback.path} does not say which release failed",
            "read it; remove it if the runbook did not write it",
        ) from None


def _choose(context: Context, failed_tags: Sequence[str], asked_for: str | None) -> Choice:
    return choose(
        context.ledger.candidates(),
        failed_tags,
        asked_for,
        quarantine_reason=context.quarantine.reason,
        rollbacks=context.quarantine.incidents(),
    )


def _asked_by(context: Context) -> tuple[str, ...]:
    options = context.options
    if options.forward_fix:
        return "--forward-fix", options.forward_fix
    return ("--to", options.target) if options.target else ()


def _runs_already(seen: Snapshot, release: Release, tag_variable: str) -> bool:
    """Return whether production was seen in the state that a rollback to `release` would lead to."""
    now = (seen.tags, seen.digests, seen.gate, seen.env_file.get(tag_variable))
    # The snapshot has no digests of one-shot services.
    digests = {service: release.digests.get(service) for service in seen.digests}
    return now == ((release.tag,), digests, seen.gate if seen.gate == NO_GATE else "open", release.tag)


def _still_pinned(context: Context) -> Release:
    release, facts = pinned_release(context), context.incident.facts
    failed, now = facts.failed, facts.found_again or facts.seen_before
    # At its start this incident may have seen what an earlier, interrupted rollback had left.
    first = facts.first_seen or failed
    known = {
        service: {failed.digests.get(service), first.digests.get(service), digest}
        for service, digest in release.digests.items()
    }
    others = set(now.tags) - {*failed.tags, *first.tags, release.tag}
    others |= {digest for service, digest in now.digests.items() if digest not in known.get(service, {digest})}
    if others:
        seen = f"since this incident was interrupted, another release runs: {', '.join(sorted(others))}"
        _begin_anew(context, seen)
        raise TargetError(
            seen, "to roll it back, start a new incident without --resume; if it fixes the problem, leave it"
        )
    if failed_before := context.quarantine.reason(release.digests.values()):
        _begin_anew(context, f"{release.tag} is in quarantine now", *_another(context))
        raise TargetError(
            f"{release.tag}, the target of this incident, is in quarantine now: {failed_before}",
            "start a new incident with another release: --to TAG",
        )
    digests = [f"{service}: {digest}" for service, digest in release.digests.items()]
    context.incident.record_decision(
        Question.SAME_TARGET,
        "Is the target of this incident unchanged?",
        release.tag,
        ["pinned before", *digests],
    )
    return release


def _begin_anew(context: Context, why: str, *options: str) -> None:
    """Record that `--resume` can no longer continue this incident, why, and the options for a new plan."""
    context.incident.record_fact("begin anew", BeginAnew(why=why, options=options))


def _another(context: Context) -> tuple[str, str]:
    """Return the option for another target: the release that would be chosen now, or the placeholder TAG."""
    try:
        return "--to", _choose(context, context.incident.facts.failed.tags, None).chosen.tag
    except TargetError:
        return "--to", "TAG"


def _pin(context: Context, service: str, image: ImageName, candidate: Candidate) -> tuple[str, str]:
    registry = context.registry_of(image)
    known = candidate.digests.get(service)
    try:
        digest = registry.digest(image)
        origin = "as the registry says"
    except (RegistryRefused, ReleaseNotFound):
        raise
    except RegistryError as error:
        on_host = image.digest_among(context.production.digests_of(str(image)))
        if on_host is None:
            raise RegistryError(
                f"{error.seen}, and {image} is not on the host",
                "restore access to the registry, then try again",
            ) from None
        digest = on_host
        origin = f"as the host's copy says, because {error.seen}"
    if known is not None and known != digest:
        when = "when it passed its validation" if candidate.kind is Kind.VALIDATED else f"by {candidate.evidence}"
        raise TargetError(
            f"{image} is now {digest}, but was {known} {when}: the tag was moved",
            "find out who moved it; name another release with --to TAG",
        )
    return digest, origin


def registry_digest(context: Context, image: ImageName) -> str:
    """Return the digest of `image`'s tag. Raises RegistryError, also when Compose takes it from another registry."""
    return context.registry_of(image).digest(image)


def fetching(context: Context, release: Release) -> Action:
    """Pull the target's images onto the host. No running container changes."""
    sidecars = context.production.sidecar_images(release.tag)

    def already() -> str | None:
        missing = _not_held(context, release)
        missing += [image for image in sidecars.values() if context.production.image_id(image) is None]
        return None if missing else f"on the host: {release.shown}"

    return Action(
        ActionName.FETCH_IMAGES,
        f"the images of {release.tag} are pulled",
        (context.production.pull_command(release, sidecars),),
        already,
        scope=Scope.IMAGES,
        resource=", ".join(release.digests),
        new=release.tag,
    )


def fetched(context: Context, release: Release) -> Check:
    """Check that, for each service, the target's tag on the host names the pinned digest."""

    def observe() -> Observation:
        problems = _not_held(context, release)
        held = release.shown
        return Observation(not problems, "; ".join(problems) or f"the host holds {held}")

    return Check(
        f"the images of {release.tag} on the host at the pinned digests",
        observe,
        "the tag was moved during the pull: find out who moved it",
        acceptable=False,
    )


def _not_held(context: Context, release: Release) -> list[str]:
    problems = []
    for service, image in release.images.items():
        pinned = context.production.image_id(release.pinned(service))
        tagged = context.production.image_id(str(image))
        if pinned is None:
            problems.append(f"{release.pinned(service)} is not on the host")
        elif tagged != pinned:
            problems.append(f"on the host, {image} is not {release.pinned(service)}")
    return problems


_GIB = 1 << 30


def project_running(context: Context) -> Check:
    """Check that the Compose project is up from project.directory, with a container for each rolled-back service."""

    def observe() -> Observation:
        containers = context.production.application()
        seen = "; ".join(container.one_line for container in containers)
        # After the decision, this incident itself may have stopped the application.
        if not migration_facts.decided(context) and (ended := context.production.ended_services(containers)):
            return Observation(ok=False, seen=f"{', '.join(ended)} has exited, and nothing restarts it ({seen})")
        return Observation(ok=True, seen="; ".join([seen, *context.production.remarks()]))

    return Check(
        f"the Compose project {context.settings.project.name} running on its host",
        observe,
        "bring it up first; remove one-shot services from project.services",
    )


def room_on_host(context: Context) -> Check:
    """Check that the disks of the project and of the engine have `host.minimum_free_gib` free."""
    wanted = context.settings.host.minimum_free_gib

    def observe() -> Observation:
        free = context.production.free_bytes()
        short = any(size < wanted * _GIB for size in free.values())
        return Observation(
            not short, ", ".join(f"{size / _GIB:.1f} GiB free for {place}" for place, size in free.items())
        )

    return Check(
        f"at least {wanted:g} GiB free on the production host",
        observe,
        "free disk space (`docker image prune` removes dangling images), or lower host.minimum_free_gib",
    )


def record_before(context: Context) -> Check:
    """Record production before any change, or, if this incident has changed something already, as it is now.

    The state before the first change is then in the journal already, and can no longer be observed.
    """
    return recorded("production before any change on record", lambda: _write_down(context))


def _write_down(context: Context) -> str:
    found = take(context)
    context.incident.record_fact("found again" if context.incident.changes_made else "before", found)
    if (under_way := context.open_rollback.of_another_incident(context.incident.name)) is not None:
        here = context.incident.journal.path.parent.with_name(under_way["incident"]) / "journal.jsonl"
        about = {name: under_way[name] for name in ("incident", "since", "target")}
        context.incident.record_fact("open rollback", UnderWay(**about, recorded_here=here.is_file()))
    return ", ".join(filter(None, (f"production runs {', '.join(found.tags)}", several_hosts.differs(context, found))))
