"""What a source of releases is, and through what it looks: an HTTP client, the host, and a deadline."""

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

#: Seconds that the pattern may take for one tag.
_LONGEST_SEARCH = 1


@dataclass(frozen=True)
class Wanted:
    """What is looked for: the images of each rolled-back service and how they follow the tag, and which tags count.

    Of `newest` releases a source tells, the newest first, and of those `looked_at` as far as it lists them.
    """

    images: Mapping[str, ImageName]
    forms: Mapping[str, TagForm]
    pattern: re.Pattern[str]
    newest: int
    looked_at: frozenset[str] = frozenset()

    def tag_in(self, service: str, reference: str) -> str | None:
        """Return the release's tag that an image of `service` stands for; None for another image, or another tag."""
        tag = self.forms[service].value_in(reference)
        return tag if tag is not None and self.counts(tag) else None

    def counts(self, tag: str) -> bool:
        """Tell whether `tag` can be a release's. Raises SourceError when the pattern cannot tell in time."""
        try:
            return fits(self.pattern, checked_tag(tag), _LONGEST_SEARCH)
        except TargetError:
            return False
        except TimeoutError:
            raise SourceError(
                f"targets.pattern takes more than {_LONGEST_SEARCH} s for the tag {tag}",
                "write the pattern without repetitions in repetitions",
            ) from None

    def meant(self, tag: str, image: str | None, service: str | None) -> tuple[str | None, list[str]]:
        """Return the release's tag that a log means, and the services that a digest beside it is of.

        With an image of the settings, `tag` is that of the image; otherwise the release's own. None is no release.
        """
        named = self.services_of(service or image)
        if not image or not self.services_of(image):
            return (tag if self.counts(tag) else None), named
        found = {each: self.tag_in(each, f"{self.images[each].name}:{tag}") for each in self.services_of(image)}
        release = next(filter(None, found.values()), None)
        return release, [each for each in named if found.get(each, release) == release]

    def services_of(self, name: str | None) -> list[str]:
        """Return the services that `name` means, of a service or an image without a tag; None is all of one image."""
        if name is None:
            return list(self.images) if len({image.name for image in self.images.values()}) == 1 else []
        return [
            service
            for service, image in self.images.items()
            if name in (service, image.name, image.repository, image.repository.removeprefix("library/"))
        ]


class Through:
    """Through what one source looks, until its deadline."""

    def __init__(self, http: HttpClient, host: Host, deadline: float) -> None:
        """`deadline` is in seconds from now."""
        self.http = http
        self.host = host
        self._until = time.monotonic() + deadline

    @property
    def seconds_left(self) -> float:
        """The seconds that are left. Raises SourceError when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise SourceError("its deadline has passed", "raise targets.deadline, or let it look at less")
        return left

    def wait(self, seconds: float, why: str) -> None:
        """Wait as long as a server asks for. Raises SourceError, with `why`, when that is past the deadline."""
        if seconds >= self.seconds_left:
            raise SourceError(f"{why} for {seconds:.0f} s, which is past its deadline", "ask again after that time")
        time.sleep(max(seconds, 0.0))

    def run(self, *argv: str, most_output: int, in_part: bool = False) -> Completed:
        """Run a command on the host that only reads. Raises SourceError when it does not exit 0, or HostError.

        With `in_part` an error counts only where nothing was printed.
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
        """What it is, in words."""

    @property
    def remarks(self) -> list[str]:
        """What it left out and why, in words, once it was asked."""

    def candidates(self, through: Through) -> Iterator[Candidate]:
        """The releases that it knows, the newest first; it may stop at any of them.

        Raises RunbookError when it cannot be asked, or not to its end.
        """
