"""A run tests its redaction with a made-up secret before it begins; if the redaction fails, the run is refused."""

import pytest

from tests.harness.inner import Runbook, scenario

GOOD = scenario("Good", "Given something to begin with", "When a file is made")
IMPORTS = "import runbook.secrets.invisible\nfrom runbook.secrets.redactor import Redactor"
BROKEN = {
    "no-redaction-at-all": "Redactor.text = lambda self, text: text",
    "not-in-keys": "Redactor.value = lambda self, value: self.text(value) if isinstance(value, str) else value",
    "not-in-colour": "runbook.secrets.redactor.views = lambda text: [runbook.secrets.invisible.View(text, [])]",
    "it-raises": "Redactor.text = lambda self, text: text / 0",
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("arguments", [(), ("--execute", "shop")], ids=["plan", "execute"])
def test_run_is_refused(runbook: Runbook, how: str, arguments: tuple[str, ...]) -> None:
    """Without working redaction the run exits with 4 and one line that says why; it changes nothing, has no journal."""
    runbook.steps(f"{IMPORTS}\n{BROKEN[how]}")
    ran = runbook.feature("1.feature", GOOD).run("features", *arguments)
    assert ran.exit_code == 4
    errors = [line for line in ran.lines if line.startswith("ERROR: ")]
    assert len(errors) == 1
    assert "redaction does not work" in errors[0]
    assert runbook.records == []
    assert not (runbook.server / "made").exists()


def test_incident_is_not_gone_on_with(runbook: Runbook) -> None:
    """A resume without working redaction is refused and leaves the journal unchanged."""
    runbook.feature("1.feature", GOOD, scenario("Bad", "Then all is not well"))
    first = runbook.run("features", "--execute", "shop")
    assert first.folder is not None
    before = (first.folder / "journal.jsonl").read_bytes()
    runbook.steps(f"{IMPORTS}\n{BROKEN['no-redaction-at-all']}")
    again = runbook.run("features", "--execute", "shop", "--resume", first.folder.name)
    assert again.exit_code == 4
    assert (first.folder / "journal.jsonl").read_bytes() == before


def test_terminal_alone_is_told(runbook: Runbook) -> None:
    """The terminal's redaction is tested separately, and a failure there is reported as one of the terminal."""
    runbook.steps(
        "from harness.compat import Redacting\n"
        "Redacting.flush = lambda self: self._stream.write(''.join(self._pending))"
    )
    ran = runbook.feature("1.feature", GOOD).run("features")
    assert ran.exit_code == 4
    assert "on its way to the terminal" in ran.terminal
