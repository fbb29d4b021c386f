"""A source of releases, and its access: an HTTP client, the host, and a deadline."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from runbook.errors import SourceError, TargetError
from runbook.hosts.command import Command, Completed
from runbook.hosts.host import Host
from runbook.hosts.http import HttpClient
from runbook.patterns import fits
from runbook.release import ImageName, TagForm, checked_tag
from runbook.targets.candidate import Candidate

#: Time limit of the pattern for one tag, in seconds.
_LONGEST_SEARCH = 1


@dataclass(frozen=True)
class Wanted:
    """The search: the image of each rolled-back service, how it follows the tag, and the pattern for valid tags.

    A source yields `newest` releases, the newest first, and those in `looked_at` that it lists.
    """

    images: Mapping[str, ImageName]
    forms: Mapping[str, TagForm]
    pattern: re.Pattern[str]
    newest: int
    looked_at: frozenset[str] = frozenset()

    def tag_in(self, service: str, reference: str) -> str | None:
        """Return the release's tag in an image of `service`; None for another image, or a tag that does not count."""
        tag = self.forms[service].value_in(reference)
        return tag if tag is not None and self.counts(tag) else None

    def counts(self, tag: str) -> bool:
        """Tell whether `tag` can be a release's. Raises SourceError when the pattern takes too long."""
        try:
            return fits(self.pattern, checked_tag(tag), _LONGEST_SEARCH)
        except TargetError:
            return False
        except TimeoutError:
            raise SourceError(
                f"targets.pattern takes more than {_LONGEST_SEARCH} s for the tag {tag}",
                "write the pattern without nested repetitions",
            ) from None

    def release_in(self, tag: str, image: str | None, service: str | None) -> tuple[str | None, list[str]]:
        """Return the release's tag in a log line, and the services that the line's digest belongs to.

        If `image` is an image of the project, `tag` is that image's tag, otherwise the release's. None means that it is
        not a release.
        """
        named = self.services_of(service or image)
        if not image or not self.services_of(image):
            return (tag if self.counts(tag) else None), named
        found = {each: self.tag_in(each, f"{self.images[each].name}:{tag}") for each in self.services_of(image)}
        release = next(filter(None, found.values()), None)
        return release, [each for each in named if found.get(each, release) == release]

    def services_of(self, name: str | None) -> list[str]:
        """Return the services with this name or image (without a tag). None means all, if they share one image."""
        if name is None:
            return list(self.images) if len({image.name for image in self.images.values()}) == 1 else []
        return [
            service
            for service, image in self.images.items()
            if name in (service, image.name, image.repository, image.repository.removeprefix("library/"))
        ]


class Through:
    """The access of one source: an HTTP client and the host, until its deadline."""

    def __init__(self, http: HttpClient, host: Host, deadline: float) -> None:
        """`deadline` is in seconds from now."""
        self.http = http
        self.host = host
        self._until = time.monotonic() + deadline

    @property
    def seconds_left(self) -> float:
        """The seconds left. Raises SourceError when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise SourceError("its deadline has passed", "raise targets.deadline, or lower targets.newest")
        return left

    def wait(self, seconds: float, why: str) -> None:
        """Wait as long as a server requires. Raises SourceError, with `why`, when that is past the deadline."""
        if seconds >= self.seconds_left:
            raise SourceError(f"{why} for {seconds:.0f} s, which is past its deadline", "try again after that time")
        time.sleep(max(seconds, 0.0))

    def run(self, *argv: str, most_output: int, in_part: bool = False) -> Completed:
        """Run a read-only command on the host. Raises HostError, and SourceError for an exit code other than 0.

        With `in_part` an exit code other than 0 is an error only without output.
        """
        command = Command(argv, self.seconds_left, secret_output=True, most_output=most_output)
        answer = self.host.run(command)
        if answer.exit_code != 0 and not (in_part and answer.stdout):
            raise SourceError(
                f"`{command}` ended with exit code {answer.exit_code}: {answer.last_line[:200]}",
                "run it on the production host as this user",
            )
        return answer


class Source(Protocol):
    """A source of releases."""

    @property
    def name(self) -> str:
        """The name of the source, in words."""

    @property
    def remarks(self) -> list[str]:
        """The remarks on what it left out and why, after it was asked."""

    def candidates(self, through: Through) -> Iterator[Candidate]:
        """Yield its releases, the newest first. It may fail after any of them.

        Raises RunbookError when the source cannot be read, or not completely.
        """
