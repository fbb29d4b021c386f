"""What was typed, to be typed again with a word changed: a refusal ends with one whole command."""

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest


def program(started_in: Path) -> str:
    """How pytest is called from that folder: as the one of this environment, where there is one."""
    here = Path(sys.prefix) / "bin/pytest"
    return os.path.relpath(here, started_in) if here.is_file() else "pytest"


@dataclass(frozen=True)
class Typed:
    """A command line of pytest, word by word."""

    words: tuple[str, ...]

    @classmethod
    def by(cls, config: pytest.Config) -> "Typed":
        """The one with which this pytest was begun."""
        return cls((program(config.invocation_params.dir), *map(str, config.invocation_params.args)))

    def without(self, *options: str) -> "Typed":
        """The same without these options and their values."""
        kept, skip = [], False
        for word in self.words:
            if skip or word in options:
                skip = not skip
            elif word.partition("=")[0] not in options:
                kept.append(word)
        return Typed(tuple(kept))

    def plus(self, *words: str) -> "Typed":
        """The same with these words behind it."""
        return Typed((*self.words, *words))

    def __str__(self) -> str:
        return shlex.join(self.words)
