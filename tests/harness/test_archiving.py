"""The index of all records is made at the end of each run; a failure to make it does not affect the run."""

import re

from tests.harness.inner import Runbook, scenario
from tests.support.filed import filed, over

GOOD = scenario("Good", "Given something to begin with", "Then all is well")
BAD = scenario("Bad", "Then all is not well")
EXECUTE = ("features", "--execute", "shop")


def rows(runbook: Runbook) -> list[str]:
    """Return the links of the index's rows, from the top."""
    page = (runbook.folder / "reports" / "index.html").read_text(encoding="utf-8")
    return re.findall(r'class="rb-outcome"><a href="([^"]*)"', page)


def test_run_is_in_the_index_when_it_has_ended(runbook: Runbook) -> None:
    """Each run is in the index with its page, whatever its outcome, the newest first."""
    first = runbook.feature("1.feature", GOOD).run("features")
    second = runbook.feature("1.feature", BAD).run(*EXECUTE)
    assert first.folder is not None
    assert second.folder is not None
    assert rows(runbook) == [f"{second.folder.name}/record.html", f"{first.folder.name}/record.html"]
    assert "was not updated" not in second.terminal


def test_killed_run_gets_its_page_from_the_next(runbook: Runbook) -> None:
    """The next run makes the missing page of a killed run's record."""
    killed = filed(runbook.folder / "reports", "2025-12-18T03:00:00", over()[:-1])
    runbook.feature("1.feature", GOOD).run("features")
    assert "not whole" in (killed / "record.html").read_text(encoding="utf-8")
    assert rows(runbook)[-1] == f"{killed.name}/record.html"


def test_index_that_cannot_be_made_changes_nothing(runbook: Runbook) -> None:
    """If the index cannot be written, one line says so; exit code, record and last line are not affected."""
    (runbook.folder / "reports" / "index.html").mkdir(parents=True)
    ran = runbook.feature("1.feature", GOOD).run(*EXECUTE)
    assert ran.exit_code == 0
    assert ran.folder is not None
    assert ran.lines[-1] == str(ran.folder / "record.html")
    (said,) = [line for line in ran.lines if "the index of all records was not updated" in line]
    assert said.endswith("→ python -m runbook records")
    assert ran.entries("closed")[0]["outcome"] == "passed"


def test_refused_run_makes_no_index(runbook: Runbook) -> None:
    """A refused run makes no index."""
    ran = runbook.feature("1.feature", GOOD).run("features", "--execute", "another-project")
    assert ran.exit_code == 4
    assert not (runbook.folder / "reports" / "index.html").exists()


def test_what_lies_among_the_records_holds_up_no_run(runbook: Runbook) -> None:
    """A huge file without entries named journal.jsonl affects neither the end nor the exit code of a run."""
    reports = runbook.folder / "reports"
    (reports / "20250101T000000Z-shop-rollback").mkdir(parents=True)
    with (reports / "20250101T000000Z-shop-rollback" / "journal.jsonl").open("wb") as file:
        file.truncate(2**40)
    ran = runbook.feature("1.feature", GOOD).run(*EXECUTE)
    assert ran.exit_code == 0
    assert len(rows(runbook)) == 2


def test_record_is_in_the_jobs_summary(runbook: Runbook) -> None:
    """If CI has a job summary (GITHUB_STEP_SUMMARY), the run writes its record there when it ends."""
    summary = runbook.folder / "summary.md"
    environment = {"GITHUB_STEP_SUMMARY": str(summary)}
    ran = runbook.feature("1.feature", BAD).run(*EXECUTE, environment=environment)
    assert ran.exit_code == 1
    assert ran.folder is not None
    text = summary.read_text(encoding="utf-8")
    assert "**failed** Then all is not well" in text
    assert f"- incident: {ran.folder.name}\n" in text


def test_jobs_summary_that_cannot_be_written_changes_nothing(runbook: Runbook) -> None:
    """If the job summary cannot be written, one line says so; exit code and last line are not affected."""
    environment = {"GITHUB_STEP_SUMMARY": str(runbook.folder)}
    ran = runbook.feature("1.feature", GOOD).run(*EXECUTE, environment=environment)
    assert ran.exit_code == 0
    assert ran.folder is not None
    assert ran.lines[-1] == str(ran.folder / "record.html")
    assert any("the job's summary was not written: " in line for line in ran.lines)
