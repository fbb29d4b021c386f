"""Two releases side by side: the containers of each, and the commands that start one and remove the other."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.production.containers import Container, Named
from runbook.release import Release


class Made(Named, Protocol):
    """A container, live or on record, with the name of the image from which it was created."""

    @property
    def image_name(self) -> str:
        """The image's name."""


@dataclass(frozen=True)
class Pair:
    """The containers of the target and those of the failed release, for the services in `numbers`.

    `numbers` has the number of containers of each service before the switch. A container is the target's if it was
    created from the target's image by name. The pinned digest is checked separately.
    """

    production: Production
    release: Release
    numbers: Mapping[str, int]

    @property
    def target(self) -> list[Container]:
        """The target's containers in any state, by service, number and name."""
        return [each for each in self._all() if self.is_target(each)]

    @property
    def failed(self) -> list[Container]:
        """The failed release's containers in any state, in the same order."""
        return [each for each in self._all() if not self.is_target(each)]

    def is_target(self, container: Made) -> bool:
        """Return whether a container was created from the target's image."""
        image = self.release.images.get(container.service)
        return image is not None and image.means(container.image_name)

    def _all(self) -> list[Container]:
        ours = (each for each in self.production.containers() if each.service in self.numbers)
        return sorted(ours, key=lambda each: (each.service, each.number, each.name))

    @property
    def is_up(self) -> bool:
        """Whether the target has the number of containers in `numbers`, all running."""
        target = self.target
        there = {name: sum(each.service == name for each in target) for name in self.numbers}
        return there == dict(self.numbers) and all(each.state == "running" for each in target)

    def up_command(self, deadline: float) -> Command:
        """Return the command that starts the target's containers and keeps the failed release's unchanged."""
        failed = self.failed
        wanted = {name: n + sum(each.service == name for each in failed) for name, n in self.numbers.items()}
        scale = (part for name, number in wanted.items() for part in ("--scale", f"{name}={number}"))
        return self.production.compose(
            "up", "-d", "--no-deps", "--no-build", "--pull", "never", "--no-recreate", *scale, *wanted,
            deadline=deadline,
        )  # fmt: skip

    @property
    def serving(self) -> list[Container]:
        """The failed release's containers that are not stopped."""
        return [each for each in self.failed if each.state not in ("exited", "created", "dead")]

    def stop_commands(self, deadline: float) -> tuple[Command, ...]:
        """Return the command that stops the failed containers, with the grace period that Compose gave them."""
        return self._on_each("stop", self.serving, deadline)

    def remove_commands(self, before: Iterable[Made]) -> tuple[Command, ...]:
        """Return the commands that remove the failed containers and give their names to the target's.

        `before` are the containers from before the switch. If the target's containers do not exist yet, the commands
        use the names that Compose will give them.
        """
        pairs = [pair for name in self.numbers for pair in self._new_names(name, before)]
        renaming = (self.production.command("docker", "rename", old, new) for old, new in pairs)
        return (*self._on_each("rm", self.failed), *renaming)

    def remove_target_commands(self, deadline: float) -> tuple[Command, ...]:
        """Return the commands that stop and remove the target's containers."""
        return (*self._on_each("stop", self.target, deadline), *self._on_each("rm", self.target))

    def _on_each(self, word: str, these: Sequence[Container], deadline: float | None = None) -> tuple[Command, ...]:
        names = [each.name for each in these]
        return (self.production.command("docker", word, *names, deadline=deadline),) if names else ()

    def _new_names(self, service: str, before: Iterable[Made]) -> list[tuple[str, str]]:
        failed = [each for each in self.failed if each.service == service]
        theirs = [each.name for each in before if each.service == service and not self.is_target(each)]
        ours = [each.name for each in self.target if each.service == service]
        ours = ours or self._given(service, failed)
        wanted = sorted({*theirs, *(each.name for each in failed)} - {*ours}, key=_by_number)
        moving = [name for name in ours if name not in theirs]
        return list(zip(moving, wanted, strict=False))

    def _given(self, service: str, failed: Sequence[Container]) -> list[str]:
        """Return the names that Compose will give to the next containers of a service; empty for names of other forms.

        Compose counts on from the number in the label, not from the one in the name.
        """
        stem = _stem(failed[0].name) if failed else ""
        last = max((each.number for each in failed), default=0)
        return [f"{stem}{last + number}" for number in range(1, self.numbers[service] + 1)] if stem else []


def _by_number(name: str) -> tuple[str, int]:
    found = re.search(r"\d+\Z", name)
    return (name[: found.start()], int(found[0])) if found else (name, 0)


def _stem(name: str) -> str:
    """Return the name without its number; empty if it has none."""
    stem, number = _by_number(name)
    return stem if number else ""
