"""The container registry's tags, newest first by the build times in their images."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook.errors import ProductionError, RegistryError, RegistryRefused
from runbook.release import ImageName, checked_digest
from runbook.targets.candidate import Candidate, moment_in
from runbook.targets.registry import Registry
from runbook.targets.sources.source import Through, Wanted

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_CONFIGURATIONS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_CREATED = "org.opencontainers.image.created"


@dataclass(frozen=True)
class _Built:
    digest: str
    time: datetime | None
    platforms: tuple[str, ...]
    members: tuple[str, ...] = ()


class RegistryTags:
    """The tags of the services' repositories.

    A registry does not know when a tag was made, so the build time is read from each image. With many tags, only the
    `newest` by version order are read.
    """

    def __init__(self, connect: Callable[[Through], Registry], host: str, wanted: Wanted, platform: str | None) -> None:
        self.name = f"registry {host}"
        self.remarks: list[str] = []
        self._connect = connect
        self._wanted = wanted
        self._platform = platform

    def candidates(self, through: Through) -> Iterator[Candidate]:
        """Yield the releases whose tags the registry lists for the first service, the newest build first."""
        registry = self._connect(through)
        service, image = next(iter(self._wanted.images.items()))
        listed = registry.tags(image.repository)
        found = {self._wanted.tag_in(service, f"{image.name}:{tag}"): tag for tag in listed}
        found.pop(None, None)
        tags = sorted(filter(None, found), key=_as_version, reverse=True)
        asked = tags[: self._wanted.newest]
        if len(listed) > len(tags) > 0:
            self.remarks.append(f"{len(listed) - len(tags)} of {len(listed)} tags are not releases (targets.pattern)")
        if len(tags) > len(asked):
            self.remarks.append(
                f"only the {len(asked)} highest versions of {len(tags)} tags were read, {asked[0]} to {asked[-1]};"
                " targets.newest and targets.pattern decide which"
            )
        if not tags:
            self.remarks.append(f"none of the {len(listed)} tags of {image.repository} is a release")
        asked += [tag for tag in tags[len(asked) :] if tag in self._wanted.looked_at]
        built = []
        for tag in asked:
            _ = through.seconds_left
            try:
                built.append((tag, self._built(registry, image.repository, found[tag])))
            except RegistryRefused:
                raise
            except (RegistryError, ProductionError) as error:  # removed meanwhile, or not an image
                if tag == asked[-1] and not built:
                    raise
                self.remarks.append(f"{tag} cannot be read: {error.seen}")
        for tag, first in sorted(built, key=lambda pair: _seconds(pair[1].time), reverse=True):
            _ = through.seconds_left
            yield self._candidate(registry, tag, {service: first.digest}, first)

    def _candidate(self, registry: Registry, tag: str, digests: dict[str, str], first: _Built) -> Candidate:
        lacks = []
        for service in list(self._wanted.images)[1:]:
            form = self._wanted.forms[service]
            digest = registry.digest_if_there(ImageName.parse(f"{form.before}{tag}{form.after}"))
            if digest is None:
                lacks.append(service)
            else:
                digests[service] = digest
        return Candidate(
            tag,
            digests,
            f"built: {self.name} lists it",
            time=first.time,
            source=self.name,
            platforms=first.platforms,
            lacks=tuple(lacks),
            members=first.members,
        )

    def _built(self, registry: Registry, repository: str, tag: str) -> _Built:
        digest, found = registry.manifest(repository, tag)
        if kind := _no_image(found):
            raise RegistryError(f"it is not an image, but {kind}", "let targets.pattern match only releases")
        time = _annotated(found)
        if (members := found.get("manifests")) is not None:
            platforms = {_platform(each.get("platform")): each for each in _objects(members)}
            platforms.pop(None, None)
            ours = platforms.get(self._platform) or next(iter(platforms.values()), {})
            if time is None and isinstance(ours.get("digest"), str):
                inner = registry.manifest(repository, checked_digest(ours["digest"], self.name))[1]
                time = _annotated(inner) or self._configured(registry, repository, inner)[0]
            inside = tuple(str(each.get("digest")) for each in platforms.values())
            return _Built(digest, time, tuple(sorted(filter(None, platforms))), inside)
        configured, platform = self._configured(registry, repository, found)
        return _Built(digest, time or configured, (platform,) if platform else ())

    def _configured(
        self, registry: Registry, repository: str, manifest: Mapping[str, Any]
    ) -> tuple[datetime | None, str | None]:
        """Return an image's build time and platform from its configuration."""
        named = manifest.get("config")
        if not isinstance(named, dict) or not isinstance(named.get("digest"), str):
            return None, None
        configuration = registry.blob(repository, named["digest"])
        inner = configuration.get("config")
        labels = inner.get("Labels") if isinstance(inner, dict) else None
        stated = labels.get(_CREATED) if isinstance(labels, dict) else None
        return moment_in(stated) or moment_in(configuration.get("created")), _platform(configuration)


def _no_image(manifest: Mapping[str, Any]) -> str | None:
    """Return the media type of a manifest or index that is no image: a chart, a build cache, a signature. Or None."""
    if "manifests" in manifest:
        said = [each.get("mediaType") for each in _objects(manifest["manifests"])]
        other = [str(kind) for kind in said if kind not in _MANIFESTS]
        return other[0][:80] if other and len(other) == len(said) and None not in said else None
    configuration = manifest.get("config")
    kind = configuration.get("mediaType") if isinstance(configuration, dict) else None
    return None if kind is None or kind in _CONFIGURATIONS else str(kind)[:80]


def _annotated(manifest: Mapping[str, Any]) -> datetime | None:
    annotations = manifest.get("annotations")
    return moment_in(annotations.get(_CREATED)) if isinstance(annotations, dict) else None


def _objects(found: object) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _platform(found: object) -> str | None:
    """Return a platform as `linux/amd64`; None for entries that cannot run, such as an attestation."""
    if not isinstance(found, dict):
        return None
    system, architecture = found.get("os"), found.get("architecture")
    known = isinstance(system, str) and isinstance(architecture, str) and "unknown" not in (system, architecture)
    return f"{system}/{architecture}"[:64] if known else None


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0


def _as_version(tag: str) -> list[tuple[int, int, str]]:
    """Return a sort key for version order: v9 before v10, and 1.2-rc1 before 1.2.

    >>> sorted(["v10", "v9", "v9.1-rc1", "v9.1"], key=_as_version)
    ['v9', 'v9.1-rc1', 'v9.1', 'v10']
    """
    parts = re.findall(r"\d+|[A-Za-z]+", tag)
    key = [(2, int(part[:32]), "") if part[0].isdigit() else (0, 0, part) for part in parts]
    return [*key, (1, 0, "")]
