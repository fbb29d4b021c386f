"""The rules for feature files and step definitions, checked before anything runs."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from harness.collection.feature_model import WAYS, Chapter, Definition, Runbook, Scenario, Step
from runbook.incident.facts import Strategy
from runbook.production.switchover.decision import SwitchMode

#: pytest's own marks, some of which skip a test or turn a failure into a pass.
_PYTESTS_OWN = {"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"}


def broken(runbook: Runbook, marks: Mapping[str, bool], allowing: str | None) -> list[str]:
    """Return one line per breach of the rules: `file:line: the problem → what to do`.

    `marks` are the registered tags; the value is True if the tag takes an argument. `allowing` is the command that
    allows unused definitions, or None if they are allowed.
    """
    if unreadable := list(_unreadable(runbook.chapters)):
        return unreadable
    lines = [*_names(runbook.scenarios), *_emptiness(runbook), *_definitions(runbook)]
    in_files = [scenario for chapter in runbook.chapters for scenario in chapter.scenarios]
    lines += [*_tags(in_files, marks), *_needs(in_files)]
    # A step that is reported above may be the one that would use an unused definition.
    if not lines and allowing is not None:
        lines += _unused(runbook, allowing)
    return list(dict.fromkeys(lines))


def _unreadable(chapters: Collection[Chapter]) -> Iterator[str]:
    for chapter in chapters:
        if chapter.unreadable is not None:
            yield f"{chapter.place}: Gherkin cannot read this: {chapter.unreadable} → correct the line"


def _names(scenarios: Collection[Scenario]) -> Iterator[str]:
    seen: dict[str, Scenario] = {}
    for scenario in scenarios:
        first = seen.setdefault(scenario.name, scenario)
        if not scenario.name:
            yield f"{scenario.place}: a scenario without a name → name it after its result"
        elif first is not scenario:
            yield (
                f"{scenario.place}: a second scenario is named {scenario.name!r}; the first one is at "
                f"{first.place} → give each a unique name"
            )


def _emptiness(runbook: Runbook) -> Iterator[str]:
    for chapter in runbook.chapters:
        if not chapter.scenarios:
            yield f"{chapter.place}: no scenario in this feature → add one, or delete the file"
    for scenario in runbook.scenarios:
        if scenario.stray:
            yield (
                f"{scenario.place}: {scenario.stray.splitlines()[0]!r} below it is not a step → begin it with Given, "
                "When, Then, And or But, or make it a comment with #"
            )
        elif not scenario.steps:
            yield f"{scenario.place}: no step in {scenario.name!r} → add one, or delete the scenario"
        for place in scenario.without_rows:
            yield f"{place}: the outline {scenario.name!r} has no rows → add a row to its Examples"


def _definitions(runbook: Runbook) -> Iterator[str]:
    for step, scenario in _steps(runbook):
        found = runbook.definitions_of(step)
        if not found and not scenario.without_rows:
            meant = runbook.similar_to(step)
            hint = f"did you mean {meant}?" if meant else "bind it to a function in steps/"
            yield f"{step.place}: no definition for {step} → {hint}"
        elif len(found) > 1:
            places = " and ".join(definition.place for definition in found)
            yield f"{step.place}: {len(found)} definitions for {step}: {places} → keep one of them"
        for definition in found[:1]:
            yield from _binding(step, definition)


def _binding(step: Step, definition: Definition) -> Iterator[str]:
    function = f"{definition.function.__name__} at {definition.place}"
    if definition.runs_later:
        yield (
            f"{step.place}: {function} is {_a(definition.runs_later)}: its body would not run with the "
            "step → write a plain function"
        )
    if "subtests" in definition.arguments:
        yield f"{step.place}: {function} takes subtests, which can fail without stopping the run → make each one a step"
    for name in sorted(step.attached - definition.arguments):
        yield f"{step.place}: {function} does not take the {name} below {step} → remove it there"
    if step.kind == "when" and not definition.is_change:
        yield (
            f"{step.place}: {step} is bound to {function}, which returns no Action → annotate it with "
            "-> Action, or make the step a Given or a Then"
        )
    if step.kind != "when" and definition.is_change:
        yield (
            f"{step.place}: {step} is bound to {function}, which returns an Action → make the step a "
            "When, or let it return a Check"
        )


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _steps(runbook: Runbook) -> Iterator[tuple[Step, Scenario]]:
    return ((step, scenario) for scenario in runbook.scenarios for step in scenario.steps)


def _unused(runbook: Runbook, allowing: str) -> Iterator[str]:
    steps = [step for step, _ in _steps(runbook)]
    for definition in runbook.definitions:
        if not any(definition.defines(step) for step in steps):
            yield f"{definition.place}: no feature uses {definition} → use it, delete it, or type {allowing}"


def _tags(scenarios: Collection[Scenario], marks: Mapping[str, bool]) -> Iterator[str]:
    for tag in dict.fromkeys(tag for scenario in scenarios for tag in scenario.tags):
        takes = marks.get(tag.name)
        if tag.name in _PYTESTS_OWN:
            yield f"{tag.place}: {tag} is a pytest mark that can turn a failure into a skip → remove it"
        elif takes is None:
            yield f"{tag.place}: unknown tag {tag} → correct it, or add it to markers in pyproject.toml"
        elif takes != bool(tag.argument):
            should = f"@{tag.name}:NAME" if takes else f"@{tag.name}"
            yield f"{tag.place}: {tag} has no effect in this form → write {should}"
        elif tag.argument and tag.of_examples:
            yield f"{tag.place}: {tag} has no effect on Examples → put it above the outline"
        elif tag.name == "strategy" and tag.argument not in list(Strategy):
            known = ", ".join(f"@strategy:{each}" for each in Strategy)
            yield f"{tag.place}: {tag} is not a strategy → write one of {known}"
        elif tag.name == "switch" and tag.argument not in list(SwitchMode):
            known = ", ".join(f"@switch:{each}" for each in SwitchMode)
            yield f"{tag.place}: {tag} is not a way to switch → write one of {known}"


def _needs(scenarios: list[Scenario]) -> Iterator[str]:
    providers: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        for name in scenario.named("provides"):
            providers.setdefault(name, []).append(scenario)
    yield from _provided_twice(providers)
    for ring in _rings(scenarios, providers):
        names = " → ".join(repr(scenario.name) for scenario in (*ring, ring[0]))
        yield f"{ring[0].place}: circular needs, {names}: none of them can run → remove one of the tags"
    for scenario in scenarios:
        for tag in scenario.tags:
            if tag.name not in ("needs", "after", "until") or not tag.argument:
                continue
            found = [provider for provider in providers.get(tag.argument, []) if provider.may_meet(scenario)]
            if not found:
                yield (
                    f"{tag.place}: {tag} of {scenario.name!r} names something that no scenario provides on its way →"
                    f" correct the name, or write @provides:{tag.argument}"
                )
            elif tag.name == "needs" and (unmet := _ways_without(scenario, found)):
                strategy, switch = unmet[0]
                other = any(each.named("switch") for each in (scenario, *found))
                yield (
                    f"{tag.place}: {tag} of {scenario.name!r} is provided by no scenario for @strategy:{strategy}"
                    f"{f' @switch:{switch}' if other else ''} → provide it there too, or tag this scenario with the"
                    f" {'ways' if other else 'strategies'} that it applies to"
                )


def _ways_without(scenario: Scenario, providers: Iterable[Scenario]) -> list[tuple[str, str]]:
    """Return the ways of the scenario for which none of `providers` provides what it needs."""
    provided = {way for each in providers for way in each.ways}
    return [way for way in WAYS if way in scenario.ways - provided]


def _provided_twice(providers: Mapping[str, list[Scenario]]) -> Iterator[str]:
    for name, found in providers.items():
        for number, scenario in enumerate(found):
            if scenario.runs > 1:
                yield f"{scenario.place}: each row of the outline would provide {name!r} → provide it in a Scenario"
            for other in found[:number]:
                if scenario is not other and scenario.may_meet(other):
                    yield (
                        f"{scenario.place}: {name!r} is provided here and at {other.place}, and both may run → give "
                        "one of them another name, or each a different @strategy"
                    )


def _rings(scenarios: list[Scenario], providers: Mapping[str, list[Scenario]]) -> Iterator[list[Scenario]]:
    finished: set[int] = set()

    def walk(scenario: Scenario, path: list[Scenario]) -> Iterator[list[Scenario]]:
        if scenario in path:
            yield path[path.index(scenario) :]
        elif id(scenario) not in finished:
            for name in (*scenario.named("needs"), *scenario.named("after")):
                for provider in providers.get(name, []):
                    yield from walk(provider, [*path, scenario])
            finished.add(id(scenario))

    for scenario in scenarios:
        yield from walk(scenario, [])
