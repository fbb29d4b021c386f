"""The command line as typed, to be repeated with changes: every refusal ends with one complete command."""

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
    """Return the pytest command relative to that folder: this environment's pytest if it exists, otherwise `pytest`."""
    here = Path(sys.prefix) / "bin/pytest"
    return os.path.relpath(here, started_in) if here.is_file() else "pytest"


#: Takes an option and its value, or "" and a path. Returns whether to remove it.
_Gone = Callable[[str, str], bool]


@dataclass(frozen=True)
class Typed:
    """A pytest command line, word by word, with the options that pytest adds from its settings."""

    words: tuple[str, ...]
    #: The options of pytest and its plugins, by each of their names.
    known: Mapping[str, OptionKind] = field(default_factory=dict)
    #: PYTEST_ADDOPTS, and `addopts` of pytest's settings. The new values are None if unchanged.
    environment: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    new_environment: tuple[str, ...] | None = None
    new_settings: tuple[str, ...] | None = None

    @classmethod
    def by(cls, config: pytest.Config) -> "Typed":
        """Return the command line that started this pytest."""
        return cls(
            (program(config.invocation_params.dir), *map(str, config.invocation_params.args)),
            known_options(config),
            tuple(shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))),
            tuple(config.getini("addopts")),
        )

    def without(self, *options: str) -> "Typed":
        """Return it without these options and their values, under any of the options' names."""
        kinds = {self.known[option].name for option in options if option in self.known}

        def gone(option: str, _value: str) -> bool:
            return option in options or (option in self.known and self.known[option].name in kinds)

        return self._left_by(gone)

    def without_value(self, option: str, value: str) -> "Typed":
        """Return it without this option if the option has that value."""
        return self._left_by(lambda name, given: (name, given) == (option, value))

    def without_paths(self, gone: Callable[[str], bool]) -> "Typed":
        """Return it without the paths for which `gone` returns True."""
        return replace(self, words=(self.words[0], *self._kept(self.words[1:], lambda o, v: not o and gone(v))))

    def plus(self, *words: str) -> "Typed":
        """Return it with these words after its options."""
        end = self.words.index("--") if "--" in self.words else len(self.words)
        return replace(self, words=(*self.words[:end], *words, *self.words[end:]))

    def saying(self, command: str) -> "Typed":
        """Return it with another command, and the same environment and settings, changed as before."""
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
        """Return the options in a word and their values: `--opt=value`, `-kexpr`, `-xvn4`. A path has the option ""."""
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
