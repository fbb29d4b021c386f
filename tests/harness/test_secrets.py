"""Secrets and hostile output: neither gets out of a run, by whichever way it is shown."""

from datetime import datetime, timedelta

import pytest

from tests.harness.inner import CANARY, Ran, Runbook, scenario

FAILING = scenario("Failing", "Given something to begin with", "Then a secret fails")
PASSING = scenario("Passing", "Given something to begin with", "And a secret is printed")
#: Where the secret is kept on purpose.
KEPT = {"sentences.py", ".env", "features"}


def leaks(runbook: Runbook, word: str = "canary") -> list[str]:
    """The files below the project in which the word stands, but for those in which it is kept."""
    found = [path for path in runbook.folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]
    return [str(path) for path in found if not KEPT & set(path.parts) and "__pycache__" not in path.parts]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="as-usual"),
        pytest.param(("-vv", "-l", "--tb=long"), id="with-locals"),
        pytest.param(("--tb=native", "-rA"), id="native-traceback-and-all-output"),
        pytest.param(("--junitxml=junit.xml", "-o", "junit_logging=all"), id="junit"),
        pytest.param(("--color=yes",), id="in-colour"),
    ],
)
def test_no_secret_gets_out(runbook: Runbook, arguments: tuple[str, ...]) -> None:
    """Printed, learned, or in an error: a secret is in no file and nowhere on the terminal, and its label is."""
    ran = runbook.feature("1.feature", PASSING, FAILING).run("features", "--execute", "shop", *arguments)
    assert ran.exit_code == 1
    assert leaks(runbook) == []
    assert "login with [secret METRICS_TOKEN] was refused" in " ".join(ran.terminal.split())
    assert "[secret METRICS_TOKEN]" in ran.page


def test_secret_does_not_get_out_in_pieces(runbook: Runbook) -> None:
    """A secret with blanks in it is not broken over two lines of the terminal, where nothing would find it."""
    phrase = "correct horse battery staple with many more words so that it has to be broken over some lines"
    environment = runbook.server / ".env"
    environment.write_text(environment.read_text().replace(CANARY, phrase))
    sentences = runbook.folder / "sentences.py"
    sentences.write_text(sentences.read_text().replace(repr(CANARY), repr(phrase)))
    ran = runbook.feature("1.feature", FAILING).run("features", "--execute", "shop")
    for word in ("horse", "battery", "broken"):
        assert word not in ran.terminal
        assert word not in ran.page


def test_secret_of_the_environment_does_not_get_out(runbook: Runbook) -> None:
    """What CI keeps in its environment is known from the beginning, also as part of an address."""
    feature = scenario("Environment", "Then the environment is shown")
    environment = {
        "DEPLOY_TOKEN": "ci-canary-1",
        "GIT_URL": "https://bot:ci-canary-2@git.example/shop",
        "JOB_NAME": "<img src=x onerror=alert(2)>",
        "JENKINS_URL": "https://jenkins.example",
    }
    ran = runbook.feature("1.feature", feature).run("features", environment=environment)
    assert leaks(runbook, "ci-canary") == []
    assert "[secret DEPLOY_TOKEN]" in ran.terminal
    assert "[secret GIT_URL]" in ran.terminal
    assert "<img src=x" not in ran.page


def shown(runbook: Runbook) -> Ran:
    return runbook.feature("1.feature", scenario("Hostile", "Then output is hostile")).run("features", "-v", "-rA")


def test_output_of_others_does_not_act_on_the_terminal(runbook: Runbook) -> None:
    """What a container said cannot rename the terminal, clear it, or turn its text round."""
    ran = shown(runbook)
    assert "owned" in ran.terminal
    for character in ("\x1b]", "\x1b[2J", "\x07", "\N{RIGHT-TO-LEFT OVERRIDE}"):
        assert character not in ran.terminal, ascii(character)


def test_output_of_others_does_not_act_on_the_page(runbook: Runbook) -> None:
    """What a container said is text on the page, in our part and in pytest-html's."""
    ran = shown(runbook)
    assert "owned" in ran.page
    assert "<script>alert(1)" not in ran.page
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in ran.page
    assert "\\u202e" in ran.page


def test_record_does_not_name_the_local_time(runbook: Runbook) -> None:
    """Wherever the operator sits, the page knows UTC only: at no moment does it name the day of another zone."""
    runbook.feature("1.feature", scenario("Good", "Given something to begin with"))
    for zone, hours in (("UTC-14", 14), ("UTC+12", -12)):
        ran = runbook.run("features", environment={"TZ": zone})
        began = datetime.fromisoformat(ran.entries("opened")[0]["time"])
        there = began + timedelta(hours=hours)
        assert f"{began:%d-%b-%Y}" in ran.page
        assert f"{there:%d-%b-%Y} at {there:%H:}" not in ran.page
