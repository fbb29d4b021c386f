"""The release to return to: chosen with its evidence, pinned by digest, and fetched."""

from runbook.chapters.context import Context
from runbook.errors import TargetError
from runbook.release import Release


def pinned_release(context: Context) -> Release:
    """The target of this incident. Raises TargetError when none was pinned."""
    target = context.incident.facts.target
    if target is None:
        raise TargetError("no target is pinned in this incident", "run chapter 1 first: `pytest features`")
    return target.release()


def expected_release(context: Context) -> Release:
    """The release that is validated: the pinned target of a rollback, and after a deploy the one that runs now."""
    return pinned_release(context) if context.incident.facts.target else running_release(context)


def running_release(context: Context) -> Release:
    """The release that runs now: the tag that the env file names, with the digests that containers really run.

    Raises TargetError when containers run another tag than the env file names, or images that no registry gave.
    """
    tag = context.production.tag()
    images = context.production.images_with_tag(tag)
    digests = {}
    for container in context.production.application():
        image = images[container.service]
        digest = image.digest_among(context.production.digests_of(container.image_id))
        if not image.means(container.image_name) or digest is None:
            raise TargetError(
                f"{container.name} runs {container.image_name}, and the env file says {image}",
                "bring production and its env file together first",
            )
        digests[container.service] = digest
    return Release(tag, images, digests)
