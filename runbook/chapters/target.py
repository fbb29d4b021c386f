"""The release to return to: chosen with its evidence, pinned by digest, and fetched."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from runbook.actions import Change, Expectation, Reach, Seen
from runbook.chapters.context import Toolbox
from runbook.errors import CheckFailed, RegistryError, RegistryRefused, ReleaseNotFound, RunbookError, TargetError
from runbook.release import ImageName, Release
from runbook.shared_state.ledger import Candidate
from runbook.shared_state.open_rollback import chain
from runbook.targets.registry import Registry


def identify(tools: Toolbox, asked_for: str | None) -> Release:
    """Choose the target and pin its digests, and put on record what spoke for it and what was passed over.

    A rollback that broke off is gone on with: what failed is what that one found, and its target is this one's, unless
    another was asked for. The target of an incident that is resumed stays what it is. Raises TargetError, or
    RegistryError when the registry says no or has no such tag. A registry that is down stops nothing if the images are
    on the host.
    """
    if "target" in tools.incident.facts:
        return _still_pinned(tools)
    before = tools.incident.facts["before"]
    under_way = tools.open_incident.concerning(before["tags"])
    origin = under_way["before"] if under_way else before
    tools.incident.learn("origin", {key: origin[key] for key in ("tags", "digests", "log_errors")})
    choice = tools.known_good.choose(origin["tags"], asked_for or (under_way["target"] if under_way else None))
    candidate = choice.chosen
    images = tools.production.images_with_tag(candidate.tag)
    evidence = [candidate.evidence]
    if under_way:
        for incident in chain(under_way):
            tools.restore_point.remember(incident)
        evidence.append(f"incident {under_way['incident']} was on its way to {under_way['target']} and broke off")
    digests = {}
    for service, image in images.items():
        digest, origin = _pin(tools, service, image, candidate)
        digests[service] = digest
        evidence.append(f"{service}: {image} is {digest}, {origin}")
    evidence += [f"passed over {reason}" for reason in choice.passed_over]
    if barred := tools.known_good.barred(digests.values()):
        if under_way:
            # Gone on with, or planned without a name, it would come to the same release again.
            _begin_anew(tools, f"{candidate.tag} is in quarantine by now", *_another(tools))
        raise TargetError(
            f"{candidate.tag} is in quarantine: {barred}", "name another release with --to TAG, or ship a forward-fix"
        )
    release = Release(candidate.tag, images, digests)
    passed_over = [asdict(each) for each in choice.passed_over]
    tools.incident.decide("Which release is returned to?", candidate.tag, evidence, passed_over=passed_over)
    tools.incident.learn("target", release.facts())
    if under_way is None and _runs_already(before, release, tools.settings.project.tag_variable):
        why = f"{release.tag} runs already, traffic is let in, and no rollback is under way"
        tools.incident.learn("nothing to do", why)
    return release


def _runs_already(seen: Mapping[str, Any], release: Release, tag_variable: str) -> bool:
    """Tell whether production, as it was seen, is all that a rollback to `release` would make of it."""
    now = (seen["tags"], seen["digests"], seen["gate"], seen["env_file"].get(tag_variable))
    # What runs to its end is not among what was seen.
    digests = {service: release.digests.get(service) for service in seen["digests"]}
    return now == ([release.tag], digests, "open", release.tag)


def _still_pinned(tools: Toolbox) -> Release:
    release, facts = pinned(tools), tools.incident.facts
    origin, now = facts["origin"], facts.get("found again", facts["before"])
    # What this incident first saw may be what a rollback before it had left half way.
    first = facts.get("first seen", origin)
    known = {
        service: {origin["digests"].get(service), first["digests"].get(service), digest}
        for service, digest in release.digests.items()
    }
    others = set(now["tags"]) - {*origin["tags"], *first["tags"], release.tag}
    others |= {digest for service, digest in now["digests"].items() if digest not in known.get(service, {digest})}
    if others:
        seen = f"another release runs since this incident broke off: {', '.join(sorted(others))}"
        _begin_anew(tools, seen)
        raise TargetError(seen, "if it must be rolled back, begin anew without --resume; if it is the remedy, leave it")
    if barred := tools.known_good.barred(release.digests.values()):
        _begin_anew(tools, f"{release.tag} is in quarantine by now", *_another(tools))
        raise TargetError(
            f"{release.tag}, the target of this incident, is in quarantine by now: {barred}",
            "begin anew with another release: --to TAG",
        )
    digests = [f"{service}: {digest}" for service, digest in release.digests.items()]
    tools.incident.decide("Does this incident still go to the same release?", release.tag, ["pinned before", *digests])
    return release


def _begin_anew(tools: Toolbox, why: str, *options: str) -> None:
    """Put on record that no `--resume` leads on any more, and with which options a new plan would."""
    tools.incident.learn("begin anew", {"why": why, "options": list(options)})


def _another(tools: Toolbox) -> tuple[str, str]:
    """The option that names another release to return to: the one that would be chosen, if there is one."""
    try:
        return "--to", tools.known_good.choose(tools.incident.facts["origin"]["tags"], None).chosen.tag
    except TargetError:
        return "--to", "TAG"


def pinned(tools: Toolbox) -> Release:
    """The target of this incident. Raises TargetError when none was pinned."""
    facts = tools.incident.facts.get("target")
    if facts is None:
        raise TargetError("no target is pinned in this incident", "run chapter 1 first: `pytest features`")
    return Release.from_facts(facts)


def meant_to_run(tools: Toolbox) -> Release:
    """The release that is validated: the pinned target of a rollback, and after a deploy the one that runs now."""
    return pinned(tools) if "target" in tools.incident.facts else running_release(tools)


def running_release(tools: Toolbox) -> Release:
    """The release that runs now: the tag that the env file names, with the digests that containers really run.

    Raises TargetError when containers run another tag than the env file names, or images that no registry gave.
    """
    tag = tools.production.tag()
    images = tools.production.images_with_tag(tag)
    digests = {}
    for container in tools.production.application():
        image = images[container.service]
        digest = image.digest_among(tools.production.digests_of(container.image_id))
        if not image.means(container.image_name) or digest is None:
            raise TargetError(
                f"{container.name} runs {container.image_name}, and the env file says {image}",
                "bring production and its env file together first",
            )
        digests[container.service] = digest
    return Release(tag, images, digests)


def note_running(tools: Toolbox) -> None:
    """Put on record which release is validated, and in which containers; it must still be that one at the end.

    Raises CheckFailed when another one came between, or runs where a rollback has brought its target up.
    """
    release = meant_to_run(tools)
    if not tools.incident.planned_changes:
        on_digests = tools.health.on_pinned_images(release)
        seen = on_digests.look()
        if not seen.ok:
            raise CheckFailed(f"expected {on_digests.expected}; seen: {seen.seen}", on_digests.next_step)
    containers = tools.production.application()
    now = release.facts() | {"containers": sorted(container.id for container in containers)}
    validated = tools.incident.facts.get("running")
    if validated is not None and validated["containers"] != now["containers"]:
        raise CheckFailed(
            f"{validated['tag']} was validated, and {release.tag} runs in other containers since",
            "somebody deployed meanwhile: validate again",
        )
    tools.incident.learn("running", now)


def _pin(tools: Toolbox, service: str, image: ImageName, candidate: Candidate) -> tuple[str, str]:
    _same_registry(tools.registry, image)
    known = candidate.digests.get(service)
    try:
        digest = tools.registry.digest(image)
        origin = "says the registry"
    except (RegistryRefused, ReleaseNotFound):
        raise
    except RegistryError as error:
        on_host = image.digest_among(tools.production.digests_of(str(image)))
        if on_host is None:
            raise RegistryError(
                f"{error.seen}; and {image} is not on the host",
                "mend the way to the registry, then try again",
            ) from None
        digest = on_host
        origin = f"says the host's own copy, because {error.seen}"
    if known is not None and known != digest:
        raise TargetError(
            f"{image} is {digest} today, and was {known} when it passed its validation: the tag was moved",
            "find out who moved it; name another release with --to TAG",
        )
    return digest, origin


def _same_registry(registry: Registry, image: ImageName) -> None:
    aliases = {"docker.io": "registry-1.docker.io"}
    if aliases.get(image.registry, image.registry) != registry.host:
        raise RegistryError(
            f"Compose takes {image} from {image.registry}, and the settings name the registry {registry.host}",
            "set registry.url to the registry that production pulls from",
        )


def fetching(tools: Toolbox, release: Release) -> Change:
    """The change that brings the target's images onto the host; nothing that runs changes by it."""

    def already() -> str | None:
        held = _not_held(tools, release)
        return None if held else f"the host holds {', '.join(release.pinned(service) for service in release.digests)}"

    return Change(
        f"the images of {release.tag} are fetched",
        (tools.production.pulling(release, tools.production.sidecar_images(release.tag)),),
        already,
        reach=Reach.IMAGES,
    )


def fetched(tools: Toolbox, release: Release) -> Expectation:
    """That on the host the target's tag stands for the pinned digest, for each service."""

    def look() -> Seen:
        problems = _not_held(tools, release)
        held = ", ".join(release.pinned(service) for service in release.digests)
        return Seen(not problems, "; ".join(problems) or f"the host holds {held}")

    return Expectation(
        f"the images of {release.tag} on the host at the pinned digests",
        look,
        "fetch them by hand and read what docker says; if the tag was moved meanwhile, find out by whom",
        acceptable=False,
    )


def _not_held(tools: Toolbox, release: Release) -> list[str]:
    sidecars = tools.production.sidecar_images(release.tag).items()
    problems = [
        f"the host does not hold {image}, on which {name} is recreated"
        for name, image in sidecars
        if tools.production.image_id(image) is None
    ]
    for service, image in release.images.items():
        pinned = tools.production.image_id(release.pinned(service))
        tagged = tools.production.image_id(str(image))
        if pinned is None:
            problems.append(f"the host does not hold {release.pinned(service)}")
        elif tagged != pinned:
            problems.append(f"on the host {image} is another image than {release.pinned(service)}")
    return problems


def failed_digests_known(tools: Toolbox) -> Expectation:
    """What is on record of the digests that the failed release ran on. None is no reason to leave it running."""
    failed = _failed_digests(tools)
    shown = ", ".join(f"{service} {digest}" for service, digest in failed.items())
    nothing = "no digest but the target's: it ran already, or the failed release's images came from no registry"
    return Expectation("the failed release's digests", lambda: Seen(ok=True, seen=shown or nothing), "")


def quarantine_failed(tools: Toolbox) -> None:
    """Keep the failed release from coming back unnoticed, and put on record what of it is in quarantine."""
    incident, digests = tools.incident, _failed_digests(tools)
    tag = ", ".join(incident.facts["origin"]["tags"])
    incident.carry_out(tools.known_good.quarantining(digests, tag, incident.name), tools.host)
    if digests and not incident.planned_changes:
        incident.learn("quarantined", tools.known_good.quarantined(digests))


def failed_in_quarantine(tools: Toolbox) -> Expectation:
    """That the failed release is in quarantine now."""
    return tools.known_good.in_quarantine(_failed_digests(tools))


def opening_incident(tools: Toolbox) -> Change:
    """The change that writes down, on the host, what failed and what is returned to."""
    facts = tools.incident.facts
    earlier = tools.open_incident.concerning(facts["before"]["tags"])
    return tools.open_incident.opening(tools.incident.name, facts["origin"], pinned(tools).tag, earlier)


def _failed_digests(tools: Toolbox) -> dict[str, str]:
    target = set(pinned(tools).digests.values())
    failed: dict[str, str] = tools.incident.facts["origin"]["digests"]
    return {s: d for s, d in failed.items() if d.startswith("sha256:") and d not in target}


def entering_in_ledger(tools: Toolbox) -> Change:
    """The change that enters the release which passed its validation in the ledger of known-good releases."""
    try:
        at = tools.catalog.revisions()
    except RunbookError:  # a database without Alembic, say: the release is known good all the same
        at = None
    incident = tools.incident
    release = Release.from_facts(incident.facts["running"])
    return tools.known_good.entering(release, incident.name, at, incident.vouched)
