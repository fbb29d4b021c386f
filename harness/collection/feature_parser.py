"""The private parts of pytest-bdd that read features and definitions; tested in tests/harness/test_compat_features.py.

pytest-bdd's parsed feature drops what the checks need: the first of two scenarios with one name, the lines of tags,
examples without rows. This module keeps the raw scenarios that its parser reads.
"""

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from gherkin.dialect import DIALECTS
from pytest_bdd import gherkin_parser as raw
from pytest_bdd.compat import get_fixture_names, getfixturedefs
from pytest_bdd.exceptions import GherkinParseError
from pytest_bdd.parser import Feature, FeatureParser, Rule, ScenarioTemplate
from pytest_bdd.parser import Step as ParsedStep
from pytest_bdd.steps import StepFunctionContext, StepNamePrefix, step_function_context_registry

from harness.collection.feature_model import Chapter, Definition, Scenario, Step, Tag


def read_chapter(path: Path) -> Chapter:
    """Read a feature file. If it cannot be read, the chapter carries the reason."""
    shown = os.path.relpath(path)
    reader = _Reader(str(path.parent), path.name)
    try:
        feature = reader.parse()
    except GherkinParseError as error:
        line = f"{error.line_content.strip()!r}: " if error.line_content else ""
        return Chapter(path, f"{shown}:{error.line}", unreadable=f"{line}{error.message}")
    except KeyError:  # a file without the word Feature
        return Chapter(path, f"{shown}:1", unreadable="there is no Feature in this file")
    except (OSError, UnicodeDecodeError) as error:
        return Chapter(path, f"{shown}:1", unreadable=str(error))
    scenarios = tuple(_scenario(reader, data, template, shown) for data, template in reader.found)
    return Chapter(path, f"{shown}:{feature.line_number}", scenarios)


class _Reader(FeatureParser):
    """pytest-bdd's parser, which also keeps every parsed scenario with its raw one."""

    def __init__(self, folder: str, name: str) -> None:
        super().__init__(folder, name)
        self.document: raw.GherkinDocument
        self.found: list[tuple[raw.Scenario, ScenarioTemplate]] = []

    def _parse_feature_file(self) -> raw.GherkinDocument:
        self.document = super()._parse_feature_file()
        return self.document

    def parse_scenario(self, data: raw.Scenario, feature: Feature, rule: Rule | None = None) -> ScenarioTemplate:
        template = super().parse_scenario(data, feature, rule)
        self.found.append((data, template))
        return template

    def inherited(self, data: raw.Scenario) -> Iterator[raw.Tag]:
        """Yield the tags that a scenario inherits from its feature and its rule."""
        yield from self.document.feature.tags
        for child in self.document.feature.children:
            if child.rule is not None and any(inner.scenario is data for inner in child.rule.children):
                yield from child.rule.tags


def _scenario(reader: _Reader, data: raw.Scenario, template: ScenarioTemplate, shown: str) -> Scenario:
    place = f"{shown}:{data.location.line}"
    tags = [*_tags((*reader.inherited(data), *data.tags), shown)]
    for examples in data.examples:
        tags += _tags(examples.tags, shown, of_examples=True)
    outline = data.keyword in DIALECTS[reader.document.feature.language]["scenarioOutline"]
    empty = [f"{shown}:{examples.location.line}" for examples in data.examples if not examples.table_body]
    rows = [row for examples in template.examples for row in examples.as_contexts()]
    rendered = [step for row in rows or [{}] for step in template.render(row).steps]
    return Scenario(
        name=data.name,
        place=place,
        tags=tuple(tags),
        steps=tuple(dict.fromkeys(_step(step, shown) for step in rendered)),
        stray=data.description.strip(),
        without_rows=tuple(empty) if data.examples else (place,) * outline,
        runs=len(rows) if data.examples else 1,
    )


def _tags(tags: Iterable[raw.Tag], shown: str, *, of_examples: bool = False) -> Iterator[Tag]:
    for tag in tags:
        name, colon, argument = tag.name.lstrip("@").partition(":")
        yield Tag(name, argument if colon else None, f"{shown}:{tag.location.line}", of_examples)


def _step(parsed: ParsedStep, shown: str) -> Step:
    attached = {"datatable": parsed.datatable, "docstring": parsed.docstring}
    return Step(
        parsed.type,
        parsed.name,
        f"{shown}:{parsed.line_number}",
        frozenset(name for name, value in attached.items() if value is not None),
    )


def definitions_of(session: pytest.Session) -> list[Definition]:
    """Return every step definition that plugins have registered, except pytest-bdd's own for debugging."""
    return sorted(map(_definition, _contexts(session)), key=lambda definition: definition.place)


def hand_calls_to(session: pytest.Session, take: Callable[[functools.partial[object]], None]) -> None:
    """Hand each call of a step's function to `take`. pytest-bdd drops the return value and passes it to no hook."""
    for context in _contexts(session):
        context.step_func = _handing(context.step_func, take)


def _handing(
    function: Callable[..., object], take: Callable[[functools.partial[object]], None]
) -> Callable[..., object]:
    @functools.wraps(function)
    def handing(*args: object, **kwargs: object) -> None:
        take(functools.partial(function, *args, **kwargs))

    return handing


def _contexts(session: pytest.Session) -> Iterator[StepFunctionContext]:
    manager = session._fixturemanager  # noqa: SLF001 - pytest offers no way to list fixtures
    for name in get_fixture_names(manager):
        if name.startswith(StepNamePrefix.step_def.value):
            for fixture in getfixturedefs(manager, name, session) or ():
                context = step_function_context_registry.get(fixture.func)
                if context is not None and not context.step_func.__module__.startswith("pytest_bdd."):
                    yield context


def _definition(context: StepFunctionContext) -> Definition:
    function = inspect.unwrap(context.step_func)
    code = getattr(function, "__code__", None)
    place = f"{os.path.relpath(code.co_filename)}:{code.co_firstlineno}" if code else repr(function)
    return Definition(
        kind=context.type,
        words=context.parser.name,
        matches=context.parser.is_matching,
        function=context.step_func,
        place=place,
        arguments=frozenset(inspect.signature(function).parameters),
        runs_later=_runs_later(function),
    )


def _runs_later(function: Callable[..., object]) -> str | None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "async def"
    return "generator" if inspect.isgeneratorfunction(function) else None
