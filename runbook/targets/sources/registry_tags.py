"""The container registry's list of tags, newest first by what their images say of when they were built."""

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

    A registry does not say when a tag was made, so each one's image is asked; with many tags, of the `newest` only, in
    the order in which people read versions.
    """

    def __init__(self, connect: Callable[[Through], Registry], host: str, wanted: Wanted, platform: str | None) -> None:
        self.name = f"registry {host}"
        self.remarks: list[str] = []
        self._connect = connect
        self._wanted = wanted
        self._platform = platform

    def candidates(self, through: Through) -> Iterator[Candidate]:
        """The releases whose tags the registry lists for the first of the services, the newest built first."""
        registry = self._connect(through)
        service, image = next(iter(self._wanted.images.items()))
        listed = registry.tags(image.repository)
        found = {self._wanted.tag_in(service, f"{image.name}:{tag}"): tag for tag in listed}
        found.pop(None, None)
        tags = sorted(filter(None, found), key=_as_version, reverse=True)
        asked = tags[: self._wanted.newest]
        if len(listed) > len(tags) > 0:
            self.remarks.append(
                f"{len(listed) - len(tags)} of {len(listed)} tags cannot be a release (targets.pattern)"
            )
        if len(tags) > len(asked):
            self.remarks.append(
                f"of {len(tags)} tags the last {len(asked)} by version were looked at, from {asked[0]} to {asked[-1]};"
                " targets.newest and targets.pattern decide which"
            )
        if not tags:
            self.remarks.append(f"of {len(listed)} tags of {image.repository} none can be a release")
        asked += [tag for tag in tags[len(asked) :] if tag in self._wanted.looked_at]
        built = []
        for tag in asked:
            _ = through.seconds_left
            try:
                built.append((tag, self._built(registry, image.repository, found[tag])))
            except RegistryRefused:
                raise
            except (RegistryError, ProductionError) as error:  # removed meanwhile, or no image at all
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
            raise RegistryError(f"it is no image, but {kind}", "name releases alone with targets.pattern")
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
        """When an image was built and for which platform, by its configuration."""
        named = manifest.get("config")
        if not isinstance(named, dict) or not isinstance(named.get("digest"), str):
            return None, None
        configuration = registry.blob(repository, named["digest"])
        inner = configuration.get("config")
        labels = inner.get("Labels") if isinstance(inner, dict) else None
        stated = labels.get(_CREATED) if isinstance(labels, dict) else None
        return moment_in(stated) or moment_in(configuration.get("created")), _platform(configuration)


def _no_image(manifest: Mapping[str, Any]) -> str | None:
    """Return what a manifest or an index says to be in the place of an image: a chart, a build cache, a signature."""
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
    """A platform as `linux/amd64`; None for what runs nowhere, such as the statement of origin beside an image."""
    if not isinstance(found, dict):
        return None
    system, architecture = found.get("os"), found.get("architecture")
    known = isinstance(system, str) and isinstance(architecture, str) and "unknown" not in (system, architecture)
    return f"{system}/{architecture}"[:64] if known else None


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0


def _as_version(tag: str) -> list[tuple[int, int, str]]:
    """Sort as people read versions: v9 before v10, and a release behind its candidates (1.2-rc1 before 1.2).

    >>> sorted(["v10", "v9", "v9.1-rc1", "v9.1"], key=_as_version)
    ['v9', 'v9.1-rc1', 'v9.1', 'v10']
    """
    parts = re.findall(r"\d+|[A-Za-z]+", tag)
    key = [(2, int(part[:32]), "") if part[0].isdigit() else (0, 0, part) for part in parts]
    return [*key, (1, 0, "")]
