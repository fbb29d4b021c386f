"""Sloppy features are refused before anything runs, with the place and the fix; one case per mistake."""

import re

import pytest

from tests.harness.inner import ROOT, Ran, Runbook, scenario

GOOD = scenario("Good", "When a file is made", "Then all is well", tags="@provides:good")
OUTLINE = "  Scenario Outline: Several\n    Then all is <how>"
TWO = "@then('there are two')\ndef one_of_two(context):\n    return all_well(context)"
CHANGING_THEN = "@then('a file is quietly made')\ndef quietly_made(context) -> Action:\n    return file_made(context)"
LOOKING_WHEN = "@when('it is looked at')\ndef looked_at(context):\n    return all_well(context)"
YIELDING = "@then('it yields')\ndef yields(context):\n    all_well(context)\n    yield"
SUBTESTS = "@then('parts are tested')\ndef parts(context, subtests):\n    return all_well(context)"
TAKING_ANYTHING = (
    "from pytest_bdd import parsers\n\n@then(parsers.parse('all is {how}'))\ndef anything(context, how):\n    pass"
)


def refusals(ran: Ran) -> list[str]:
    """Check that the run was refused before it began. Return the lines of the refusal."""
    assert ran.exit_code == 4, ran.terminal
    assert ran.folder is None
    assert "Traceback" not in ran.terminal
    lines = [line.removeprefix("ERROR: ") for line in ran.lines if line.startswith("ERROR: ")]
    assert all(" → " in line for line in lines), lines
    return lines


@pytest.mark.parametrize(
    ("body", "steps", "said"),
    [
        pytest.param(
            scenario("Bad", "Then all is wel"),
            "",
            r'1\.feature:\d+: no definition for Then "all is wel" → did you mean Then "all is well" at steps.py:\d+\?',
            id="no-definition",
        ),
        pytest.param(
            scenario("Bad", "Then all is well", "Then a unicorn appears"),
            "",
            r'1\.feature:5: no definition for Then "a unicorn appears" → bind it to a function in steps/',
            id="no-definition-for-the-last",
        ),
        pytest.param(
            scenario("Bad", "Given all is well"),
            "",
            r'1\.feature:\d+: no definition for Given "all is well" → did you mean Then "all is well" at .*\?',
            id="bound-to-another-keyword",
        ),
        pytest.param(
            scenario("Bad", "Then trace"), "", r'no definition for Then "trace" → bind it', id="debugger-of-pytest-bdd"
        ),
        pytest.param(
            scenario("Bad", "Then there are two"),
            f"{TWO}\n\n\n{TWO}",
            r'1\.feature:4: 2 definitions for Then "there are two": steps.py:\d+ and steps.py:\d+ → keep one',
            id="two-definitions",
        ),
        pytest.param(
            scenario("Bad", "Then all is well"),
            TAKING_ANYTHING,
            r'2 definitions for Then "all is well": steps.py:\d+ and steps.py:\d+ → keep one of them',
            id="two-definitions-by-pattern",
        ),
        pytest.param(
            f"{GOOD}\n{GOOD.replace('@provides:good', '')}",
            "",
            r"1\.feature:7: a second scenario is named 'Good'; the first one is at .*1\.feature:3 → give each a unique",
            id="two-of-one-name",
        ),
        pytest.param(scenario("", "Then all is well"), "", r"1\.feature:3: a scenario without a name → ", id="no-name"),
        pytest.param(scenario("Bad"), "", r"1\.feature:3: no step in 'Bad' → add one", id="empty-scenario"),
        pytest.param("", "", r"1\.feature:1: no scenario in this feature → add one", id="empty-feature"),
        pytest.param(
            scenario("Bad", "Wehn a file is made", "Then all is well"),
            "",
            r"1\.feature:3: 'Wehn a file is made' below it is not a step → begin it with Given",
            id="misspelt-keyword",
        ),
        pytest.param(OUTLINE, "", r"1\.feature:2: the outline 'Several' has no rows → ", id="outline-without-examples"),
        pytest.param(
            f"{OUTLINE}\n    Examples:\n      | how |",
            "",
            r"1\.feature:4: the outline '.*' has no rows",
            id="outline-without-rows",
        ),
        pytest.param(
            f"{OUTLINE}\n    Examples:", "", r"1\.feature:4: the outline '.*' has no rows", id="outline-without-a-table"
        ),
        pytest.param(
            f"{OUTLINE}\n    Examples:\n      | how |\n      | well |\n    Examples: more\n      | how |",
            "",
            r"1\.feature:7: the outline '.*' has no rows",
            id="outline-with-one-table-without-rows",
        ),
        pytest.param(
            f"{OUTLINE}\n    Examples:\n      | how |\n      | wel |",
            "",
            r'1\.feature:3: no definition for Then "all is wel" → ',
            id="row-without-a-definition",
        ),
        pytest.param(
            scenario("Bad", "Then a coroutine is awaited"),
            "",
            r"1\.feature:4: coroutine at steps.py:\d+ is an async def: its body would not run",
            id="async-def",
        ),
        pytest.param(
            scenario("Bad", "Then it yields"),
            YIELDING,
            r"1\.feature:4: yields at steps.py:\d+ is a generator: its body would not run",
            id="generator",
        ),
        pytest.param(
            scenario("Bad", "Then parts are tested"), SUBTESTS, r"takes subtests, which can fail without", id="subtests"
        ),
        pytest.param(
            scenario("Bad", "Then all is well\n      | a | table |"),
            "",
            r'all_well at .* does not take the datatable below Then "all is well"',
            id="table-that-nobody-reads",
        ),
        pytest.param(
            scenario("Bad", 'Then all is well\n      """\n      in any case\n      """'),
            "",
            r"does not take the docstring below",
            id="docstring-that-nobody-reads",
        ),
        pytest.param(
            scenario("Bad", "When it is looked at"),
            LOOKING_WHEN,
            r'1\.feature:4: When "it is looked at" is bound to looked_at at steps.py:\d+, which returns no Action',
            id="when-that-is-no-change",
        ),
        pytest.param(
            scenario("Bad", "Then a file is quietly made"),
            CHANGING_THEN,
            r'1\.feature:4: Then "a file is quietly made" is bound to quietly_made at .*, which returns an Action',
            id="then-that-changes",
        ),
        pytest.param(
            scenario("Bad", "Given a file is quietly made"),
            CHANGING_THEN.replace("@then", "@given"),
            r'Given "a file is quietly made" is bound to quietly_made at .*, which returns an Action',
            id="given-that-changes",
        ),
        pytest.param(
            scenario("Bad", "Then all is well", tags="@need:good"),
            "",
            r"1\.feature:2: unknown tag @need:good → correct it",
            id="unknown-tag",
        ),
        pytest.param(
            f"{OUTLINE}\n    @mergency\n    Examples:\n      | how |\n      | well |",
            "",
            r"1\.feature:4: unknown tag @mergency",
            id="unknown-tag-on-examples",
        ),
        pytest.param(
            f"  @rule_tag\n  Rule: R\n{scenario('Bad', 'Then all is well')}",
            "",
            r"1\.feature:2: unknown tag @rule_tag",
            id="unknown-tag-on-a-rule",
        ),
        pytest.param(
            f"{GOOD}\n{OUTLINE}\n    @needs:good\n    Examples:\n      | how |\n      | well |",
            "",
            r"1\.feature:8: @needs:good has no effect on Examples → put it above the outline",
            id="need-on-examples",
        ),
        pytest.param(
            scenario("Bad", "Then all is well", tags="@needs"),
            "",
            r"@needs has no effect in this form → ",
            id="bare-need",
        ),
        pytest.param(
            scenario("Bad", "Then all is well", tags="@emergency:exports"),
            "",
            r"@emergency:exports has no effect in this form → write @emergency",
            id="argument-that-nobody-reads",
        ),
        *(
            pytest.param(
                scenario("Bad", "Then all is not well", tags=f"@{tag}"),
                "",
                rf"@{tag} is a pytest mark",
                id=f"tag-{tag}",
            )
            for tag in ("skip", "xfail")
        ),
        pytest.param(
            scenario("Bad", "Then all is well", tags="@strategy:aplication"),
            "",
            r"@strategy:aplication is not a strategy → write one of @strategy:image-only, ",
            id="unknown-way",
        ),
        pytest.param(
            scenario("Bad", "Then all is well", tags="@switch:aside"),
            "",
            r"@switch:aside is not a way to switch → write one of @switch:beside, @switch:behind-closed-gate",
            id="unknown-switch",
        ),
        pytest.param(
            scenario("Bad", "Then all is well", tags="@needs:godo"),
            "",
            r"1\.feature:2: @needs:godo of 'Bad' names something that no scenario provides on its way → correct",
            id="need-that-nobody-provides",
        ),
        *(
            pytest.param(
                scenario("Bad", "Then all is well", tags=f"@{tag}:godo"),
                "",
                rf"1\.feature:2: @{tag}:godo of 'Bad' names something that no scenario provides",
                id=f"{tag}-that-nobody-provides",
            )
            for tag in ("after", "until")
        ),
        pytest.param(
            "\n".join(
                [
                    scenario("One", "Then all is well", tags="@strategy:image-only @provides:one"),
                    scenario("Bad", "Then all is well", tags="@strategy:downgrade @needs:one"),
                ]
            ),
            "",
            r"@needs:one of 'Bad' names something that no scenario provides on its way",
            id="need-on-another-way",
        ),
        pytest.param(
            "\n".join(
                [
                    scenario("One", "Then all is well", tags="@strategy:image-only @strategy:downgrade @provides:one"),
                    scenario("Bad", "Then all is well", tags="@needs:one"),
                ]
            ),
            "",
            r"@needs:one of 'Bad' is provided by no scenario for @strategy:bridge → provide it there too",
            id="need-that-one-strategy-does-not-provide",
        ),
        pytest.param(
            "\n".join(
                [
                    scenario("One", "Then all is well", tags="@needs:two @provides:one"),
                    scenario("Two", "Then all is well", tags="@after:three @provides:two"),
                    scenario("Three", "Then all is well", tags="@needs:one @provides:three"),
                ]
            ),
            "",
            r"1\.feature:3: circular needs, 'One' → 'Two' → 'Three' → 'One'",
            id="ring",
        ),
        pytest.param(
            scenario("Bad", "Then all is well", tags="@needs:me @provides:me"),
            "",
            r"circular needs, 'Bad' → 'Bad'",
            id="own-need",
        ),
        pytest.param(
            f"{GOOD}\n{GOOD.replace('Good', 'Better')}",
            "",
            r"1\.feature:7: 'good' is provided here and at .*1\.feature:3, and both may run → give one",
            id="provided-twice",
        ),
        pytest.param(
            f"  @provides:several\n{OUTLINE}\n    Examples:\n      | how |\n      | well |\n      | not well |",
            "",
            r"1\.feature:3: each row of the outline would provide 'several' → ",
            id="provided-by-each-row",
        ),
        pytest.param(
            "  Scenario: Bad\n    Then all is well\n    Feature: Again",
            "",
            r"1\.feature:4: Gherkin cannot read this: 'Feature: Again': Multiple features are not allowed",
            id="unreadable",
        ),
        pytest.param(
            scenario("Bad", "And all is well"),
            "",
            r"1\.feature:4: Gherkin cannot read this: .*must start with 'Given', 'When' or 'Then'",
            id="begins-with-and",
        ),
    ],
)
def test_sloppy_feature_is_refused(runbook: Runbook, body: str, steps: str, said: str) -> None:
    """Each mistake is refused in one line with its place; production is asked nothing, and no record is left."""
    runbook.steps(steps).feature("1.feature", body)
    lines = refusals(runbook.run("features", "--execute", "shop"))
    assert len(lines) == 1, lines
    assert re.search(said, lines[0]), lines
    assert lines[0].startswith("features/1.feature:")
    assert runbook.asked_of_docker == []
    assert runbook.records == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "features/2.feature:1: Gherkin cannot read this: there is no Feature", id="empty-file"),
        pytest.param(b"# later\n", "features/2.feature:1: Gherkin cannot read this: there is no Feature", id="comment"),
        pytest.param(b"Feature: \xff\n", "features/2.feature:1: Gherkin cannot read this: 'utf-8'", id="no-text"),
    ],
)
def test_file_that_is_no_feature_is_refused(runbook: Runbook, content: bytes, said: str) -> None:
    """A .feature file without a feature is refused by its name."""
    runbook.feature("1.feature", GOOD)
    (runbook.folder / "features" / "2.feature").write_bytes(content)
    assert refusals(runbook.run("features"))[0].startswith(said)


def test_lint_says_what_a_run_would_say(runbook: Runbook) -> None:
    """--collect-only refuses like a plan, without settings and without a host, so CI can lint with it."""
    runbook.feature("1.feature", scenario("Empty"))
    (runbook.folder / "runbook.toml").rename(runbook.folder / "kept.toml")
    lines = refusals(runbook.run("features", "--collect-only", "-q"))
    assert len(lines) == 1
    assert refusals(runbook.run("features", "--settings", "kept.toml")) == lines


def test_definition_that_nothing_uses_is_refused(runbook: Runbook) -> None:
    """A step definition that no step uses is refused with its place, unless --allow-unused is given."""
    runbook.feature("1.feature", GOOD)
    lines = refusals(runbook.run("features", allow_unused=False))
    assert all(line.startswith("steps.py:") for line in lines)
    assert 'Then "all is not well" → use it, delete it, or type ' in "\n".join(lines)
    assert "a file is made" not in "\n".join(lines)
    assert runbook.run("features", "--allow-unused", allow_unused=False).exit_code == 0


def test_every_problem_is_told_at_once(runbook: Runbook) -> None:
    """All problems in all files are reported at once."""
    runbook.feature("1.feature", scenario("Empty"), scenario("Bad", "Then a unicorn appears", tags="@odd"))
    runbook.feature("2.feature", scenario("Empty", "Then all is well"))
    said = "\n".join(refusals(runbook.run("features")))
    for problem in (
        "no step in 'Empty'",
        "no definition for Then",
        "unknown tag @odd",
        "2.feature:3: a second scenario",
    ):
        assert problem in said


@pytest.mark.parametrize(
    "arguments", [("features/1.feature",), ("features/1.feature::Good",), ("features", "-k", "Good")]
)
def test_whole_folder_is_checked(runbook: Runbook, arguments: tuple[str, ...]) -> None:
    """A mistake in a chapter that is not part of the run is refused too."""
    runbook.feature("1.feature", GOOD).feature("2.feature", scenario("Empty"))
    assert refusals(runbook.run(*arguments)) == [
        "features/2.feature:3: no step in 'Empty' → add one, or delete the scenario"
    ]


def test_same_name_is_provided_for_different_ways(runbook: Runbook) -> None:
    """Two scenarios for different strategies may provide the same name, because only one of them can apply."""
    runbook.feature(
        "1.feature",
        scenario("One", "Then all is well", tags="@strategy:image-only @provides:done"),
        scenario(
            "Other",
            "Then all is well",
            tags="@strategy:bridge @strategy:downgrade @strategy:forward-fix @provides:done",
        ),
        scenario("After", "Then all is well", tags="@needs:done"),
    )
    assert runbook.run("features").exit_code == 0


def test_same_name_is_provided_for_different_switches(runbook: Runbook) -> None:
    """Scenarios for different switches may provide the same name; with a schema change only one switch is possible."""
    runbook.feature(
        "1.feature",
        scenario("One", "Then all is well", tags="@switch:beside @provides:done"),
        scenario("Other", "Then all is well", tags="@switch:behind-closed-gate @provides:done"),
        scenario("Schema", "Then all is well", tags="@strategy:downgrade @switch:beside @provides:done"),
        scenario("After", "Then all is well", tags="@needs:done"),
    )
    assert runbook.run("features").exit_code == 0


def test_need_that_one_switch_does_not_provide_is_told(runbook: Runbook) -> None:
    """A need that one switch does not provide is refused with the strategy and the switch."""
    one = scenario("One", "Then all is well", tags="@switch:beside @provides:done")
    runbook.feature("1.feature", one, scenario("After", "Then all is well", tags="@strategy:image-only @needs:done"))
    (said,) = refusals(runbook.run("features"))
    assert "no scenario for @strategy:image-only @switch:behind-closed-gate → provide it there too" in said


def test_hostile_text_of_a_feature_does_not_act_on_the_terminal(runbook: Runbook) -> None:
    """Text of a feature in a refusal cannot clear the screen."""
    ran = runbook.feature("1.feature", scenario("Bad", "Then \x1b[2J appears")).run("features")
    assert ran.exit_code == 4
    assert "\x1b[2J" not in ran.terminal


def test_our_own_runbook_is_not_sloppy(runbook: Runbook) -> None:
    """The features and steps of this project pass these checks, including the one for unused definitions."""
    ran = runbook.run("--rootdir", str(ROOT), str(ROOT / "features"), "--collect-only", "-q", allow_unused=False)
    assert ran.exit_code == 0, ran.terminal
