"""A run in CI: annotations, JUnit test cases, the options for releases, and the last lines after a failure."""

import os
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness.ci.annotations import annotations
from harness.ci.junit import steps_told
from runbook.journal.journal import Journal
from runbook.secrets.redactor import Redactor
from tests.harness.inner import CANARY, Ran, Runbook, scenario
from tests.harness.test_refusals import refusal
from tests.harness.test_typed_commands import printed

GOOD = scenario("Good", "Given something to begin with", "Then all is well", tags="@post_deploy @provides:good")
ODD = scenario("Odd, 100 %: it", "Given something to begin with", "Then output is hostile", tags="@post_deploy")
AFTER = scenario("After", "Then all is well", tags="@post_deploy @needs:good")
LEFT = scenario("Left out", "Then all is well", tags="@post_deploy @needs:odd")
BEFORE = scenario("Before", "Then all is well", "And the way is decided", tags="@pre_deploy @provides:way-back")
ON_GITHUB = {"GITHUB_ACTIONS": "true"}
VALIDATE = ("features", "-m", "post_deploy")
DECIDED = """
@then("the way is decided")
def way_decided(context):
    asked = bool(context.options.verdict)
    options = ("--verdict", "breaking", "--because", "why it is so")
    look = lambda: Observation(asked, "review", final=True)
    return Check("a verdict", look, "read it", decided_by=options)
"""


@pytest.fixture
def failed(runbook: Runbook) -> tuple[Runbook, Ran]:
    """A failed validation in a job of GitHub Actions."""
    odd = ODD.replace("@post_deploy", "@post_deploy @provides:odd")
    runbook.feature("1.feature", GOOD, odd, LEFT)
    return runbook, runbook.run(*VALIDATE, "--junitxml=junit.xml", environment=ON_GITHUB)


def test_failed_validation_in_ci(failed: tuple[Runbook, Ran]) -> None:
    """The annotation is at the step's line, output cannot inject commands, and the last lines name the next command."""
    runbook, ran = failed
    assert ran.exit_code == 1
    stop = next(line for line in ran.lines if line.startswith("::stop-commands::"))
    token = stop.rpartition("::")[2]
    assert re.fullmatch(r"[0-9a-f]{32}", token)
    shown = ran.lines[ran.lines.index(stop) + 1 : (on := ran.lines.index(f"::{token}::"))]
    assert any("all is well indeed" in line for line in shown) or any("Good" in line for line in shown)
    commands = [line for line in ran.lines[on + 1 :] if line.startswith("::")]
    assert len(commands) == 1
    about, message = re.fullmatch(r"::error (.*?)::(.*)", commands[0]).groups()  # type: ignore[union-attr]
    file, line = (
        "features/1.feature",
        1 + (runbook.folder / "features/1.feature").read_text().splitlines().index("    Then output is hostile"),
    )
    assert about == f"file={file},line={line},title=Then output is hostile"
    assert "expected all well" in message
    assert "%0A" in message or "look by hand" in message
    assert "\x1b" not in ran.terminal
    assert ran.lines[-1].endswith("record.html")

    assert "FAILED: no changes were made to production" in ran.terminal
    assert "  production now:" in ran.terminal
    assert "    gate      open" in ran.terminal
    assert "to plan the rollback, type:" in ran.terminal
    (command,) = printed(ran.terminal)
    assert shlex.split(command)[1:] == ["features"]
    assert "To plan the rollback, type:" in ran.page
    assert ran.entries("fact")[-1]["name"] == "after"

    cases = {case.get("name"): case for case in ET.parse(runbook.folder / "junit.xml").getroot().iter("testcase")}  # noqa: S314 - our own file
    assert list(cases) == ["Good", "Odd, 100 %: it", "Left out"]
    text = (runbook.folder / "features/1.feature").read_text().splitlines()
    for name, case in cases.items():
        assert case.get("file") == "features/1.feature"
        assert text[int(case.get("line", 0)) - 1] == f"  Scenario: {name}"
        (record,) = case.iter("property")
        assert record.attrib == {
            "name": "record",
            "value": os.path.relpath(ran.folder or "", runbook.folder) + "/record.html",
        }
    good, odd, left = (case.findtext("system-out") for case in cases.values())
    assert re.fullmatch(
        r"passed: Given something to begin with \(\S+ s\)\npassed: Then all is well \(\S+ s\)\n    all is well indeed",
        good or "",
    )
    assert odd is not None
    assert "failed: Then output is hostile" in odd
    assert "<script>alert(1)</script>" in odd
    assert "\\u001b" in odd
    assert "    next step: look by hand" in odd
    assert left is None
    assert cases["Odd, 100 %: it"].find("failure") is not None


def test_nothing_for_github_elsewhere(runbook: Runbook) -> None:
    """Without GITHUB_ACTIONS=true no workflow command is printed."""
    ran = runbook.feature("1.feature", ODD).run(*VALIDATE, environment={"GITHUB_ACTIONS": "false"})
    assert ran.exit_code == 1
    assert not [line for line in ran.lines if line.startswith("::")]


def test_refused_run_lets_github_read_commands_again(runbook: Runbook) -> None:
    """A refused run lets GitHub read workflow commands again for the rest of the job's step."""
    (runbook.feature("1.feature", ODD).folder / "down").touch()
    ran = runbook.run(*VALIDATE, environment=ON_GITHUB)
    refusal(ran)
    stop, go_on = [line for line in ran.lines if line.startswith("::")]
    assert go_on == f"::{stop.rpartition('::')[2]}::"


def test_secret_is_in_no_annotation(runbook: Runbook) -> None:
    """A secret is redacted in annotations and in JUnit's output."""
    bug = scenario("Bug", "Then there is a bug", tags="@post_deploy")
    ran = runbook.feature("1.feature", bug).run(*VALIDATE, "--junitxml=junit.xml", environment=ON_GITHUB)
    (error,) = [line for line in ran.lines if line.startswith("::error")]
    assert "[secret METRICS_TOKEN]" in error
    assert CANARY not in ran.terminal + (runbook.folder / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said", "again"),
    [
        (("-m", "pre_deploy"), "-m pre_deploy without --release", ["-m", "pre_deploy", "--release", "TAG"]),
        (
            ("-m", "pre_deploy", "--execute", "shop"),
            "-m pre_deploy without --release",
            ["-m", "pre_deploy", "--release", "TAG"],
        ),
        (
            ("-m", "pre_deploy", "--release", "v2", "--execute", "shop"),
            "--execute allows only -m emergency and -m restore",
            ["-m", "pre_deploy", "--release", "v2"],
        ),
        (("--release", "v2"), "--release v2 without -m pre_deploy", ["--release", "v2", "-m", "pre_deploy"]),
        (("--expect", "v2"), "--expect v2 without -m post_deploy", ["--expect", "v2", "-m", "post_deploy"]),
        (
            ("--expect", "v2", "-m", "pre_deploy", "--release", "v3"),
            "--expect v2 without -m post_deploy",
            ["--expect", "v2", "-m", "post_deploy"],
        ),
        (("-m", "pre_deploy", "--release", "v2;x"), "is not a valid image tag", []),
        (("-m", "post_deploy", "--expect", ""), "--expect has no value", ["-m", "post_deploy"]),
        (("--to", " ", "--forward-fix", "v2"), "--to has no value", ["--forward-fix", "v2"]),
        (("-m", "pre_deploy", "--release="), "--release has no value", ["-m", "pre_deploy", "--release", "TAG"]),
        (("-m", "post_deploy", "--with-configuration"), "and none is selected", ["-m", "post_deploy"]),
        (("--detected-at", "noon"), "expected a time such as 2026-01-31T03:05Z", ["--detected-at", "TIME"]),
        (("--detected-at", "2999-01-01T00:00"), "is in the future", ["--detected-at", "TIME"]),
    ],
)
def test_what_does_not_go_together_is_refused(
    runbook: Runbook, arguments: tuple[str, ...], said: str, again: list[str]
) -> None:
    """Each refusal prints at most one full command, and production is asked nothing."""
    refused = refusal(runbook.steps(DECIDED).feature("1.feature", GOOD, BEFORE).run("features", *arguments))
    assert said in refused
    typed = [
        [word for word in shlex.split(command.partition(" features ")[2]) if word != "--allow-unused"]
        for command in printed(refused)
    ]
    assert typed == ([again] if again else [])
    assert runbook.asked_of_docker == []


def test_question_before_a_deploy(runbook: Runbook) -> None:
    """A pre-deploy check that needs a decision exits with 6, a warning and the full command; once decided, with 0."""
    runbook.steps(DECIDED).feature("1.feature", BEFORE)
    ran = runbook.run("features", "-m", "pre_deploy", "--release", "v2", environment=ON_GITHUB)
    assert (ran.exit_code, ran.ending) == (6, "decision needed")
    assert "VALIDATION of shop — changes nothing" in ran.terminal
    assert (ran.entries("opened")[0]["mode"], ran.entries("opened")[0]["asked_for"]["release"]) == ("plan", "v2")
    assert [line.partition(" ")[0] for line in ran.lines if line.startswith(("::error", "::warning"))] == ["::warning"]
    (command,) = printed(ran.terminal)
    words = shlex.split(command)[1:]
    assert words == [
        "features", "-m", "pre_deploy", "--release", "v2", "--verdict", "breaking", "--because", "why it is so",
    ]  # fmt: skip
    decided = runbook.run(*words)
    assert (decided.exit_code, decided.ending) == (0, "passed")
    assert printed(decided.terminal) == []


def test_release_that_could_not_be_rolled_back(runbook: Runbook) -> None:
    """If a release could not be rolled back, the run exits with 1 and prints the command that checks it again."""
    runbook.feature("1.feature", scenario("Before", "Then all is not well", tags="@pre_deploy"))
    ran = runbook.run("features", "-m", "pre_deploy", "--release", "v2")
    assert ran.exit_code == 1
    assert "v2 could not be rolled back; once that is fixed, type:" in ran.terminal
    (command,) = printed(ran.terminal)
    assert shlex.split(command)[1:] == ["features", "-m", "pre_deploy", "--release", "v2"]


def journal(folder: Path, detail: str, outcome: str = "failed") -> Journal:
    """Return the journal of a run whose second step has that outcome."""
    told = Journal(folder / "journal.jsonl", Redactor())
    told.write("opened", type="validation", mode="validate")
    told.write("scenario began", scenario="S", feature="F", description="")
    for text, ended in (("first", "passed"), ("a, b: 5 %", outcome)):
        told.write("step began", id="1.1.1", keyword="Then", text=text, scenario="S", place="1_x.feature:7")
        told.write("step ended", outcome=ended, detail=detail, next_step="", seconds=0.04)
    told.write("scenario ended", scenario="S", outcome=outcome, provides=[])
    told.write("closed", outcome=outcome, changes_made=[], reached=[])
    told.close()
    return told


def test_annotation_is_escaped_by_githubs_rules(tmp_path: Path) -> None:
    """Percent signs and line ends are escaped in a message; in its properties also commas and colons."""
    entries = journal(tmp_path, "100 %0A\r\n::set-env name=x::y").entries
    files = {"1_x.feature": "of, one: 5%/1_x.feature"}
    assert list(annotations(entries, files)) == [
        "::error file=of%2C one%3A 5%25/1_x.feature,line=7,title=Then a%2C b%3A 5 %25::100 %250A%0A::set-env name=x::y"
    ]


def test_long_annotation_keeps_what_helps(tmp_path: Path) -> None:
    """GitHub cuts a message after 4096 characters, so the detail is shortened and the next step stays at the end."""
    entries = journal(tmp_path, "x" * 20_000).entries
    told = [each | {"next_step": "look by hand"} if each["kind"] == "step ended" else each for each in entries]
    (error,) = annotations(told, {})
    message = error.partition("::error ")[2].partition("::")[2]
    assert len(message) < 4096
    assert "x …" in message
    assert message.endswith("look by hand")


def test_passed_run_has_no_annotations(tmp_path: Path) -> None:
    """A run that passed has no annotations."""
    assert list(annotations(journal(tmp_path, "seen", "passed").entries, {})) == []


def test_step_that_never_ended_is_told(tmp_path: Path) -> None:
    """A step without an end is listed as interrupted."""
    entries = [each for each in journal(tmp_path, "seen").entries if each["kind"] != "step ended"]
    assert list(steps_told(entries, "S"))[-1] == "interrupted: Then a, b: 5 %"
    assert list(steps_told(entries, "another")) == []
