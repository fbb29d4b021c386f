"""One test for each private name that harness/collection/feature_parser.py uses and pytest-bdd may move."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.collection import feature_parser
from harness.collection.feature_model import Tag
from harness.collection.feature_parser import definitions_of, hand_calls_to, read_chapter
from runbook.incident.facts import Facts

FEATURE = """@of_feature
Feature: X
  Background:
    Given a background
  Scenario: Twin
    Given something
  @needs:this
  Scenario: Twin
    Given something else
    And a table
      | a |
  @of_rule
  Rule: R
    Background:
      Given a background of the rule
    Scenario Outline: Several
      Then it is <how>
      @of_rows
      Examples:
        | how |
        | good |
        | bad |
  Scenario Outline: None
    Then it is <how>
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.feature").write_text(FEATURE)
    return tmp_path / "x.feature"


def test_scenarios_are_kept_as_they_stand(path: Path) -> None:
    """FeatureParser.parse_scenario: two scenarios with one name are both kept, each with its line."""
    found = read_chapter(path).scenarios
    assert [(scenario.name, scenario.place) for scenario in found] == [
        ("Twin", "x.feature:5"),
        ("Twin", "x.feature:8"),
        ("Several", "x.feature:16"),
        ("None", "x.feature:23"),
    ]


def test_steps_are_those_that_will_run(path: Path) -> None:
    """ScenarioTemplate.render: the steps include both backgrounds, every row, and the tables below them."""
    found = read_chapter(path).scenarios
    assert [str(step) for step in found[2].steps] == [
        'Given "a background"',
        'Given "a background of the rule"',
        'Then "it is good"',
        'Then "it is bad"',
    ]
    assert found[1].steps[-1].attached == {"datatable"}
    assert found[1].steps[-1].place == "x.feature:10"


def test_tags_have_their_lines(path: Path) -> None:
    """FeatureParser._parse_feature_file: the tags of feature, rule, scenario and examples, each with its place."""
    found = read_chapter(path).scenarios
    assert found[1].tags == (Tag("of_feature", None, "x.feature:1"), Tag("needs", "this", "x.feature:7"))
    assert [(str(tag), tag.of_examples) for tag in found[2].tags] == [
        ("@of_feature", False),
        ("@of_rule", False),
        ("@of_rows", True),
    ]


def test_outlines_are_known(path: Path) -> None:
    """gherkin.dialect.DIALECTS and the raw examples: the number of an outline's runs, and an outline without rows."""
    found = read_chapter(path).scenarios
    assert [(scenario.runs, scenario.without_rows) for scenario in found] == [
        (1, ()),
        (1, ()),
        (2, ()),
        (1, ("x.feature:23",)),
    ]


@pytest.mark.parametrize(
    ("content", "place", "why"),
    [
        pytest.param("", "x.feature:1", "no Feature", id="empty"),
        pytest.param(
            "Feature: X\n  Scenario: A\n    Given b\nFeature: Y\n", "x.feature:4", "Multiple features", id="two"
        ),
    ],
)
def test_unreadable_file_is_returned_with_its_reason(path: Path, content: str, place: str, why: str) -> None:
    """GherkinParseError, and the KeyError of a file without a feature: both become a place and a reason."""
    path.write_text(content)
    found = read_chapter(path)
    assert found.place == place
    assert why in (found.unreadable or "")


def test_definitions_are_those_of_the_steps(request: pytest.FixtureRequest) -> None:
    """get_fixture_names, getfixturedefs, step_function_context_registry: every @given, @when and @then is found."""
    steps = [
        (path, number)
        for path in sorted((request.config.rootpath / "steps").glob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.startswith(("@given(", "@when(", "@then("))
    ]
    found: Any = definitions_of(request.session)
    assert len(found) == len(steps)
    assert {definition.place.partition(":")[0] for definition in found} == {
        str(path.relative_to(request.config.rootpath)) for path, _ in steps
    }
    (paused,) = (definition for definition in found if definition.words == "traffic is paused")
    assert (paused.kind, paused.is_change, paused.arguments) == ("when", True, {"context"})
    assert paused.matches("traffic is paused")
    assert not paused.matches("traffic is resumed")


def test_what_a_step_returns_is_handed_over(request: pytest.FixtureRequest) -> None:
    """StepFunctionContext.step_func: a step's return value is handed over; its place and arguments stay known."""
    definitions: Any = definitions_of(request.session)
    contexts = list(feature_parser._contexts(request.session))
    kept = [context.step_func for context in contexts]
    taken: list[object] = []
    try:
        hand_calls_to(request.session, lambda call: taken.append(call()))
        again: Any = definitions_of(request.session)
        told = [(each.place, each.arguments, each.is_change) for each in again]
        assert told == [(each.place, each.arguments, each.is_change) for each in definitions]
        gate = SimpleNamespace(pause=lambda: "the Action")
        (paused,) = (each for each in again if each.words == "traffic is paused")
        paused.function(context=SimpleNamespace(gate=gate, incident=SimpleNamespace(facts=Facts())))
        assert taken == ["the Action"]
    finally:
        for context, function in zip(contexts, kept, strict=True):
            context.step_func = function
