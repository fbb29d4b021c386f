"""What was typed, to be typed again with a word changed: a refusal ends with one whole command."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.compat import OptionKind, known_options
from runbook.command_hints import as_typed, without_usual


def program(started_in: Path) -> str:
    """How pytest is called from that folder: as the one of this environment, where there is one."""
    here = Path(sys.prefix) / "bin/pytest"
    return os.path.relpath(here, started_in) if here.is_file() else "pytest"


#: Tells of an option and its value, or of no option ("") and a path, whether it is to go.
_Gone = Callable[[str, str], bool]


@dataclass(frozen=True)
class Typed:
    """A command line of pytest, word by word, and the options that pytest adds to it by itself."""

    words: tuple[str, ...]
    #: The options that this pytest and its plugins have, by each of their names.
    known: Mapping[str, OptionKind] = field(default_factory=dict)
    #: What PYTEST_ADDOPTS holds, and `addopts` of pytest's settings; None for what stays as it is.
    environment: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    new_environment: tuple[str, ...] | None = None
    new_settings: tuple[str, ...] | None = None

    @classmethod
    def by(cls, config: pytest.Config) -> "Typed":
        """The one with which this pytest was begun."""
        return cls(
            (program(config.invocation_params.dir), *map(str, config.invocation_params.args)),
            known_options(config),
            tuple(shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))),
            tuple(config.getini("addopts")),
        )

    def without(self, *options: str) -> "Typed":
        """The same without these options and their values, by whichever of their names they were given."""
        kinds = {self.known[option].name for option in options if option in self.known}

        def gone(option: str, _value: str) -> bool:
            return option in options or (option in self.known and self.known[option].name in kinds)

        return self._left_by(gone)

    def without_value(self, option: str, value: str) -> "Typed":
        """The same without this option where it has that value."""
        return self._left_by(lambda name, given: (name, given) == (option, value))

    def without_paths(self, gone: Callable[[str], bool]) -> "Typed":
        """The same without the paths of which `gone` says so."""
        return replace(self, words=(self.words[0], *self._kept(self.words[1:], lambda o, v: not o and gone(v))))

    def plus(self, *words: str) -> "Typed":
        """The same with these words behind its options."""
        end = self.words.index("--") if "--" in self.words else len(self.words)
        return replace(self, words=(*self.words[:end], *words, *self.words[end:]))

    def saying(self, command: str) -> "Typed":
        """That command, in the same surroundings: without what was taken out of them."""
        return replace(self, words=tuple(shlex.split(command)))

    def __str__(self) -> str:
        front = (
            "" if self.new_environment is None else f"PYTEST_ADDOPTS={shlex.quote(shlex.join(self.new_environment))} "
        )
        more = () if self.new_settings is None else ("-o", f"addopts={shlex.join(self.new_settings)}")
        return front + shlex.join((*as_typed(without_usual(self.words, Path.cwd())), *more))

    def _left_by(self, gone: _Gone) -> "Typed":
        environment = self.environment if self.new_environment is None else self.new_environment
        settings = self.settings if self.new_settings is None else self.new_settings
        less_environment = tuple(self._kept(environment, gone))
        less_settings = tuple(self._kept(settings, gone))
        return replace(
            self,
            words=(self.words[0], *self._kept(self.words[1:], gone)),
            new_environment=self.new_environment if less_environment == environment else less_environment,
            new_settings=self.new_settings if less_settings == settings else less_settings,
        )

    def _kept(self, words: Sequence[str], gone: _Gone) -> Iterator[str]:
        """The words that stay."""
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "--":
                yield from (word, *(path for path in rest if not gone("", path)))
                return
            parts = self._parts(word)
            option, value = parts[-1]
            as_typed = [word]
            if option and value is None and self._takes_value(option) and rest and not rest[0].startswith("-"):
                as_typed.append(rest.pop(0))
                parts[-1] = (option, as_typed[-1])
            stay = [part for part in parts if not gone(part[0], part[1] or "")]
            if len(stay) == len(parts):
                yield from as_typed
            else:
                for name, given in stay:
                    yield from (name,) if given is None else (name, given)

    def _takes_value(self, option: str) -> bool:
        return option not in self.known or self.known[option].takes_value

    def _parts(self, word: str) -> list[tuple[str, str | None]]:
        """The options in one word, and the value that stands in it: `--opt=value`, `-kexpr`, `-xvn4`; or a path."""
        if not word.startswith("-") or word == "-":
            return [("", word)]
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            return [(name, value if equals else None)]
        found: list[tuple[str, str | None]] = []
        for place, letter in enumerate(word[1:], 1):
            option = f"-{letter}"
            if self._takes_value(option):
                value = word[place + 1 :].removeprefix("=")
                return [*found, (option, value or None)]
            found.append((option, None))
        return found
