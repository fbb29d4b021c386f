"""The model of feature files and step definitions that the checks use."""

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar, get_type_hints

from runbook.actions import Action
from runbook.incident.facts import Strategy
from runbook.production.switchover.decision import SwitchMode

#: The ways an incident can go: a strategy and a way to switch. If the schema changes, traffic is always paused.
WAYS = (
    *((str(strategy), str(SwitchMode.BEHIND_CLOSED_GATE)) for strategy in Strategy),
    (str(Strategy.IMAGE_ONLY), str(SwitchMode.BESIDE)),
)


def makes_change(function: Callable[..., object]) -> bool:
    """Return whether a step's function is annotated with `-> Action`, as an object or as a string."""
    function = inspect.unwrap(function)
    returned = getattr(function, "__annotations__", {}).get("return")
    if isinstance(returned, str):
        named = SimpleNamespace(__annotations__={"return": returned})
        try:
            returned = get_type_hints(named, globalns=getattr(function, "__globals__", {}))["return"]
        except NameError:
            return False
    return returned is Action


@dataclass(frozen=True)
class Tag:
    """A tag: `@needs:target-pinned` has a name and an argument. `place` is its file and line."""

    name: str
    argument: str | None
    place: str
    of_examples: bool = False

    def __str__(self) -> str:
        return f"@{self.name}" if self.argument is None else f"@{self.name}:{self.argument}"


@dataclass(frozen=True)
class Step:
    """A step as it will run. `kind` is `given`, `when` or `then`; `attached` names its data table and docstring."""

    kind: str
    text: str
    place: str
    attached: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f'{self.kind.capitalize()} "{self.text}"'


@dataclass(frozen=True)
class Scenario:
    """A scenario, or an outline with the steps of all its rows. `tags` includes inherited tags."""

    name: str
    place: str
    tags: tuple[Tag, ...]
    steps: tuple[Step, ...]
    #: Lines above the first step that are not steps. Gherkin reads a misspelled keyword as a description.
    stray: str = ""
    #: The places where an outline has no rows. An outline without Examples is one such place.
    without_rows: tuple[str, ...] = ()
    #: How many times it runs: once per row.
    runs: int = 1

    def named(self, tag: str) -> tuple[str, ...]:
        """Return the arguments of its tags with that name."""
        return tuple(found.argument for found in self.tags if found.name == tag and found.argument)

    @property
    def ways(self) -> frozenset[tuple[str, str]]:
        """The ways it applies to, each a strategy and a way to switch."""
        strategies, switches = self.named("strategy"), self.named("switch")
        return frozenset(
            (strategy, switch)
            for strategy, switch in WAYS
            if (not strategies or strategy in strategies) and (not switches or switch in switches)
        )

    def may_meet(self, other: "Scenario") -> bool:
        """Return whether both scenarios may apply in one incident, that is, whether they share a way."""
        return bool(self.ways & other.ways)


@dataclass(frozen=True)
class Chapter:
    """A feature file. `unreadable` is the reason it cannot be parsed; `place` is then the line of the error."""

    path: Path
    place: str
    scenarios: tuple[Scenario, ...] = ()
    unreadable: str | None = None


@dataclass(frozen=True)
class Definition:
    """A step definition and the function bound to it. A `kind` of None matches every keyword."""

    kind: str | None
    words: str
    matches: Callable[[str], bool]
    function: Callable[..., object]
    place: str
    #: The names of the function's arguments.
    arguments: frozenset[str] = frozenset()
    #: `async def` or `generator`: calling such a function does not run its body.
    runs_later: str | None = None

    def defines(self, step: Step) -> bool:
        """Return whether pytest-bdd would use this definition for the step."""
        return self.kind in (None, step.kind) and self.matches(step.text)

    @property
    def is_change(self) -> bool:
        """Whether the function returns an Action."""
        return makes_change(self.function)

    def __str__(self) -> str:
        return f'{(self.kind or "step").capitalize()} "{self.words}"'


@dataclass(frozen=True)
class Runbook:
    """All chapters of a runbook and all step definitions available to them."""

    chapters: list[Chapter]
    definitions: list[Definition]

    @property
    def scenarios(self) -> list[Scenario]:
        """Every scenario, in the order in which they run."""
        scenarios = [scenario for chapter in self.chapters for scenario in chapter.scenarios]
        return prerequisites_first(
            scenarios, lambda each: (*each.named("needs"), *each.named("after")), lambda each: each.named("provides")
        )

    def definitions_of(self, step: Step) -> list[Definition]:
        """Return the definitions that match a step."""
        return [definition for definition in self.definitions if definition.defines(step)]

    def similar_to(self, step: Step) -> str | None:
        """Return the closest definition: the same words under another keyword, or nearly the same words."""
        for definition in self.definitions:
            if definition.matches(step.text):
                return f"{definition} at {definition.place}"
        close = difflib.get_close_matches(step.text, [found.words for found in self.definitions], 1, 0.8)
        return next((f"{found} at {found.place}" for found in self.definitions if [found.words] == close), None)


_Scenario = TypeVar("_Scenario")


def prerequisites_first(
    scenarios: Sequence[_Scenario],
    needs: Callable[[_Scenario], Iterable[str]],
    provides: Callable[[_Scenario], Iterable[str]],
) -> list[_Scenario]:
    """Return the scenarios, each after those that provide what it needs. A cycle of needs keeps its order.

    >>> needs = {"switch": ["migrate"], "pause": [], "migrate": ["pause"]}
    >>> prerequisites_first(["switch", "pause", "migrate"], needs.__getitem__, lambda name: [name])
    ['pause', 'migrate', 'switch']
    """
    providers: dict[str, list[int]] = {}
    for number, scenario in enumerate(scenarios):
        for name in provides(scenario):
            providers.setdefault(name, []).append(number)
    order: dict[int, None] = {}
    begun: set[int] = set()

    def put(number: int) -> None:
        if number not in begun:
            begun.add(number)
            for name in needs(scenarios[number]):
                for provider in providers.get(name, []):
                    put(provider)
            order[number] = None

    for number in range(len(scenarios)):
        put(number)
    return [scenarios[number] for number in order]


def chapter_order(path: Path) -> tuple[float, str, str]:
    """Return the sort key of a feature file: the number its name begins with, then its name."""
    number = re.match(r"\d+", path.name)
    return (int(number[0]) if number else float("inf"), path.name, str(path))
