"""Images on the production host, which a rollback can use without a registry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runbook.errors import SourceError
from runbook.targets.candidate import Candidate, moment_in
from runbook.targets.sources.source import Through, Wanted

_MOST_IMAGES = 500


@dataclass
class _Held:
    created: str = ""
    digests: dict[str, str] = field(default_factory=dict)
    platforms: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)


class HostImages:
    """The engine's images of the rolled-back services."""

    name = "images on the production host"

    def __init__(self, wanted: Wanted) -> None:
        self.remarks: list[str] = []
        self._wanted = wanted

    def candidates(self, through: Through) -> Iterator[Candidate]:
        """Yield the releases with an image on the host, the newest build first."""
        engine = through.host.engine
        ours = [each for each in engine.images(through.seconds_left) if self._is_wanted(each)]
        if len(ours) > _MOST_IMAGES:
            self.remarks.append(f"{len(ours) - _MOST_IMAGES} of {len(ours)} images were not inspected")
        ids = dict.fromkeys(str(each.get("Id")) for each in ours[:_MOST_IMAGES])
        releases: dict[str, _Held] = {}
        for image in engine.images_of(list(ids), through.seconds_left) if ids else ():
            self._add(releases, image)
        newest = sorted(releases.items(), key=lambda pair: pair[1].created, reverse=True)
        besides = [each for each in newest[self._wanted.newest :] if each[0] in self._wanted.looked_at]
        for tag, held in newest[: self._wanted.newest] + besides:
            yield Candidate(
                tag,
                held.digests,
                f"built: the host has its image of {', '.join(sorted(held.services))}",
                time=moment_in(held.created),
                source=self.name,
                copies=True,
                platforms=tuple(sorted(held.platforms)),
            )

    def _is_wanted(self, image: Mapping[str, Any]) -> bool:
        references = _names(image, "RepoTags")
        return any(self._wanted.tag_in(service, each) for each in references for service in self._wanted.images)

    def _add(self, releases: dict[str, _Held], image: Mapping[str, Any]) -> None:
        known = _names(image, "RepoDigests")
        for reference in _names(image, "RepoTags"):
            for service, name in self._wanted.images.items():
                tag = self._wanted.tag_in(service, reference)
                if tag is None:
                    continue
                held = releases.setdefault(tag, _Held())
                held.services.add(service)
                held.created = max(held.created, str(image.get("Created") or ""))
                held.platforms.add(f"{image.get('Os')}/{image.get('Architecture')}")
                if (digest := name.digest_among(known)) is not None:
                    held.digests[service] = digest


def _names(image: Mapping[str, Any], member: str) -> list[str]:
    found = image.get(member) or []
    if not isinstance(found, list):
        raise SourceError("the engine did not return a list of images", "docker image ls")
    return list(map(str, found))
