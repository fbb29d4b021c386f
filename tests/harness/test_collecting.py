"""Which scenarios are collected, under which names, and in which order."""

import pytest

from tests.harness.inner import Runbook, scenario

FIRST = scenario("Zebra", "When a file is made", tags="@provides:zebra")
SECOND = scenario("Aardvark", "Then all is well", tags="@needs:zebra @post_deploy")
THIRD = scenario("Monkey", "Then all is well", tags="@post_deploy @after:zebra")
IN_ORDER = [
    "features/1_first.feature::Zebra",
    "features/1_first.feature::Aardvark",
    "features/2_second.feature::Monkey",
]


def project(runbook: Runbook) -> Runbook:
    return runbook.feature("2_second.feature", THIRD).feature("1_first.feature", FIRST, SECOND)


def ids(terminal: str) -> list[str]:
    return [line for line in terminal.splitlines() if "::" in line]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["features"], IN_ORDER, id="folder"),
        pytest.param(["features/2_second.feature", "features/1_first.feature"], IN_ORDER, id="files-in-another-order"),
        pytest.param(["features/1_first.feature"], IN_ORDER[:2], id="one-file"),
        pytest.param(["features/1_first.feature::Aardvark"], IN_ORDER[1:2], id="one-scenario"),
        pytest.param(["features", "-k", "Monkey"], IN_ORDER[2:], id="by-word"),
        pytest.param(["features", "-m", "not post_deploy"], IN_ORDER[:1], id="by-tag"),
    ],
)
def test_scenarios_have_names_and_an_order(runbook: Runbook, arguments: list[str], expected: list[str]) -> None:
    """A scenario's id is its file and its name; scenarios are ordered by file name, then as in the file."""
    ran = project(runbook).run(*arguments, "--collect-only", "-q")
    assert ran.exit_code == 0, ran.terminal
    assert ids(ran.terminal) == expected


def test_tenth_chapter_comes_after_the_ninth(runbook: Runbook) -> None:
    """Chapters are ordered by the number at the start of their names, then by name; those without one come last."""
    for name in ("10_tenth", "9_ninth", "9_also", "appendix", "02_second"):
        runbook.feature(f"{name}.feature", scenario(name, "Then all is well"))
    collected = ids(runbook.run("features", "--collect-only", "-q").terminal)
    assert [one.partition("::")[2] for one in collected] == ["02_second", "9_also", "9_ninth", "10_tenth", "appendix"]


def test_what_is_needed_comes_first(runbook: Runbook) -> None:
    """A scenario runs after the scenario of a later chapter that it needs; all others keep their order."""
    runbook.feature(
        "1.feature",
        scenario("Pause", "When a file is made", tags="@provides:paused"),
        scenario("Switch", "When a file is made", tags="@needs:paused @needs:migrated"),
        scenario("Resume", "Then all is well"),
    )
    runbook.feature("2.feature", scenario("Migrate", "Then all is well", tags="@needs:paused @provides:migrated"))
    assert list(runbook.run("features").scenarios) == ["Pause", "Migrate", "Switch", "Resume"]


BY_DEFAULT = [
    scenario("Rolling back", "When a file is made", tags="@strategy:image-only @provides:done"),
    scenario("Emergency", "Then all is well", tags="@emergency"),
    scenario("Before", "Then all is well", tags="@pre_deploy"),
    scenario("Every deploy", "Then all is well", tags="@post_deploy"),
    scenario("Also after it", "Then all is well", tags="@post_deploy @after:done"),
]


def test_what_is_no_part_of_a_rollback_is_left_out(runbook: Runbook) -> None:
    """By default a run leaves out emergencies, checks before a deploy, and checks that are only for every deploy."""
    runbook.feature("1.feature", *BY_DEFAULT)
    collected = ids(runbook.run("features", "--collect-only", "-q").terminal)
    assert collected == ["features/1.feature::Rolling back", "features/1.feature::Also after it"]
    for options, name in (
        (("emergency",), "Emergency"), (("pre_deploy", "--release", "v2"), "Before"), (("post_deploy",), "Every deploy")
    ):  # fmt: skip
        assert name in runbook.run("features", "-m", *options).scenarios


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("features/4.feature",), "1 scenario left out without -m emergency → type ", id="file"),
        pytest.param(("features/4.feature::Emergency",), "→ type ", id="scenario"),
        pytest.param(("features", "-k", "Emergency"), "→ type ", id="word"),
    ],
)
def test_nothing_selected_says_how_to_ask(runbook: Runbook, arguments: tuple[str, ...], said: str) -> None:
    """If only an emergency scenario is named, nothing runs, and the command with -m emergency is printed."""
    ran = runbook.feature("4.feature", BY_DEFAULT[1]).feature("1.feature", FIRST).run(*arguments)
    assert ran.exit_code == 5
    assert "NOTHING SELECTED" in ran.terminal
    assert said in ran.terminal
    assert " -m emergency" in ran.terminal.partition("→ type ")[2]
    assert ran.folder is None


def test_collecting_needs_no_settings_and_asks_nobody(runbook: Runbook) -> None:
    """--collect-only and --help work on a fresh checkout: no settings are read, no host is asked, no record is left."""
    (project(runbook).folder / "runbook.toml").unlink()
    assert runbook.run("features", "--collect-only").exit_code == 0
    helped = runbook.run("features", "--help")
    assert helped.exit_code == 0
    assert "--execute" in helped.terminal
    assert runbook.asked_of_docker == []
    assert runbook.records == []


def test_scenarios_run_in_the_order_in_which_they_are_collected(runbook: Runbook) -> None:
    """Scenarios run, and are shown, in the order in which they are collected."""
    ran = project(runbook).run("features", "--execute", "shop")
    assert list(ran.scenarios) == ["Zebra", "Aardvark", "Monkey"]
    assert ran.terminal.index("Zebra") < ran.terminal.index("Aardvark") < ran.terminal.index("Monkey")
    assert ran.entries("opened")[0]["scenarios"] == IN_ORDER


def test_own_tests_never_meet_features(runbook: Runbook) -> None:
    """A bare `pytest` runs the project's own tests; no feature file is collected, and production is asked nothing."""
    (project(runbook).folder / "tests").mkdir()
    (runbook.folder / "tests" / "test_x.py").write_text("def test_x():\n    pass\n")
    (runbook.folder / "tests" / "data").mkdir()
    (runbook.folder / "tests" / "data" / "x.feature").write_bytes(
        (runbook.folder / "features" / "1_first.feature").read_bytes()
    )
    (runbook.folder / "runbook.toml").unlink()
    ran = runbook.run()
    assert ran.exit_code == 0, ran.terminal
    assert "1 passed" in ran.terminal
    assert runbook.asked_of_docker == []
    assert runbook.records == []


def test_outline_runs_once_for_each_row(runbook: Runbook) -> None:
    """A Scenario Outline runs as one scenario per row."""
    outline = scenario("Several", "Then all is <how>").replace("Scenario:", "Scenario Outline:")
    examples = "    Examples:\n      | how |\n      | well |\n      | not well |"
    ran = runbook.feature("1.feature", f"{outline}\n{examples}").run("features", "--execute", "shop")
    assert ran.exit_code == 1
    assert [entry["outcome"] for entry in ran.entries("scenario ended")] == ["passed", "failed"]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        pytest.param((), "plan", id="plan"),
        pytest.param(("--execute", "shop"), "rollback", id="rollback"),
        pytest.param(("-m", "pre_deploy", "--release", "v2"), "validation", id="validation"),
        pytest.param(("-m", "not emergency"), "plan", id="not-emergency"),
    ],
)
def test_record_is_named_by_what_was_asked(runbook: Runbook, arguments: tuple[str, ...], kind: str) -> None:
    """A record's folder names the time, the project and the kind of run."""
    ran = project(runbook).feature("3.feature", BY_DEFAULT[2]).run("features", *arguments)
    assert ran.folder is not None, ran.terminal
    assert ran.folder.name.endswith(f"Z-shop-{kind}")
    assert ran.entries("opened")[0]["type"] == kind


def test_record_can_land_elsewhere(runbook: Runbook) -> None:
    """--reports sets the folder for records."""
    ran = project(runbook).run("features", "--reports", "elsewhere/records")
    (record,) = (path for path in (runbook.folder / "elsewhere" / "records").iterdir() if path.is_dir())
    assert ran.lines[-1] == str(record / "record.html")
