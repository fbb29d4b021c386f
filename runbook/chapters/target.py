"""The pinned target, the running release, and the release to validate."""

from runbook.chapters.context import Context
from runbook.errors import TargetError
from runbook.release import Release


def pinned_release(context: Context) -> Release:
    """Return the target of this incident. Raises TargetError when none is pinned."""
    target = context.incident.facts.target
    if target is None:
        raise TargetError("no target is pinned in this incident", "run chapter 1 first: `pytest features`")
    return target.release()


def expected_release(context: Context) -> Release:
    """Return the release to validate: the pinned target of a rollback, or, after a deploy, the running release."""
    return pinned_release(context) if context.incident.facts.target else running_release(context)


def running_release(context: Context) -> Release:
    """Return the running release: the env file's tag, and the digests on which its containers run.

    Raises TargetError when a container runs another image than the env file's tag, or one without a registry digest.
    """
    tag = context.production.tag()
    images = context.production.images_with_tag(tag)
    digests = {}
    for container in context.production.application():
        image = images[container.service]
        digest = image.digest_among(context.production.digests_of(container.image_id))
        if not image.means(container.image_name) or digest is None:
            raise TargetError(
                f"{container.name} runs {container.image_name}, but the env file says {image}",
                "make production and its env file match first",
            )
        digests[container.service] = digest
    return Release(tag, images, digests)
