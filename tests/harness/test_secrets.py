"""Redaction: no secret and no hostile output leaves a run, whichever way it is shown."""

import json
from datetime import datetime, timedelta

import pytest

from tests.harness.inner import CANARY, Ran, Runbook, scenario

FAILING = scenario("Failing", "Given something to begin with", "Then a secret fails")
PASSING = scenario("Passing", "Given something to begin with", "And a secret is printed")
#: Files and folders that contain the secret on purpose.
KEPT = {"steps.py", ".env", "features", "project.json", "containers.json"}


def leaks(runbook: Runbook, word: str = "canary") -> list[str]:
    """Return the project's files that contain `word`, except those in `KEPT`."""
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
    """A secret that is printed, recorded or in an error is replaced by its label in all files and on the terminal."""
    ran = runbook.feature("1.feature", PASSING, FAILING).run("features", "--execute", "shop", *arguments)
    assert ran.exit_code == 1
    assert leaks(runbook) == []
    assert "login with [secret METRICS_TOKEN] was refused" in " ".join(ran.terminal.split())
    assert "[secret METRICS_TOKEN]" in ran.page


def test_secret_does_not_get_out_in_pieces(runbook: Runbook) -> None:
    """A secret with spaces is redacted, also if it would be wrapped over several lines of the terminal."""
    phrase = "correct horse battery staple with many more words so that it has to be zigzagged over some lines"
    environment = runbook.server / ".env"
    environment.write_text(environment.read_text().replace(CANARY, phrase))
    steps = runbook.folder / "steps.py"
    steps.write_text(steps.read_text().replace(repr(CANARY), repr(phrase)))
    ran = runbook.feature("1.feature", FAILING).run("features", "--execute", "shop")
    for word in ("horse", "battery", "zigzagged"):
        assert word not in ran.terminal
        assert word not in ran.page


def test_secret_of_the_environment_does_not_get_out(runbook: Runbook) -> None:
    """Secrets in CI's environment variables are redacted, also a password inside a URL."""
    feature = scenario("Environment", "Then the environment is shown")
    environment = {
        "DEPLOY_TOKEN": "ci-canary-1",
        "GIT_URL": "https://bot:ci-canary-2@git.example/shop",
        "JOB_NAME": "<img src=x onerror=alert(2)>",
        "JENKINS_URL": "https://jenkins.example",
    }
    ran = runbook.feature("1.feature", feature).run("features", environment=environment)
    assert leaks(runbook, "ci-canary") == []
    shown = " ".join(ran.terminal.split())
    assert "[secret DEPLOY_TOKEN]" in shown
    assert "[secret GIT_URL]" in shown
    assert "<img src=x" not in ran.page


def shown(runbook: Runbook) -> Ran:
    return runbook.feature("1.feature", scenario("Hostile", "Then output is hostile")).run("features", "-v", "-rA")


def test_output_of_others_does_not_act_on_the_terminal(runbook: Runbook) -> None:
    """A container's output cannot rename the terminal, clear it, or reverse its text."""
    ran = shown(runbook)
    assert "owned" in ran.terminal
    for character in ("\x1b]", "\x1b[2J", "\x07", "\N{RIGHT-TO-LEFT OVERRIDE}"):
        assert character not in ran.terminal, ascii(character)


def test_output_of_others_does_not_act_on_the_page(runbook: Runbook) -> None:
    """A container's output is plain text on the page, in our part and in pytest-html's."""
    ran = shown(runbook)
    assert "owned" in ran.page
    assert "<script>alert(1)" not in ran.page
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in ran.page
    assert "\\u202e" in ran.page


def test_record_does_not_name_the_local_time(runbook: Runbook) -> None:
    """The page shows only UTC, whatever the operator's time zone."""
    runbook.feature("1.feature", scenario("Good", "Given something to begin with"))
    for zone, hours in (("UTC-14", 14), ("UTC+12", -12)):
        ran = runbook.run("features", environment={"TZ": zone})
        began = datetime.fromisoformat(ran.entries("opened")[0]["time"])
        there = began + timedelta(hours=hours)
        assert f"{began:%d-%b-%Y}" in ran.page
        assert f"{there:%d-%b-%Y} at {there:%H:}" not in ran.page


def test_secret_is_not_written_in_two_pieces(runbook: Runbook) -> None:
    """A secret that pytest writes in two pieces is redacted."""
    runbook.steps("""
def pytest_terminal_summary(terminalreporter):
    terminalreporter.write("one " + CANARY[:7])
    terminalreporter.write(CANARY[7:] + " two\\n")
""")
    ran = runbook.feature("1.feature", PASSING).run("features")
    assert "one [secret METRICS_TOKEN] two" in ran.terminal
    assert CANARY not in ran.terminal


def test_uncaptured_output_is_redacted(runbook: Runbook) -> None:
    """With -s a step's output goes to the terminal, redacted."""
    ran = runbook.feature("1.feature", PASSING).run("features", "-s")
    assert ran.exit_code == 0
    assert "stdout says [secret METRICS_TOKEN]" in ran.terminal
    assert "stderr says [secret METRICS_TOKEN]" in ran.terminal
    assert leaks(runbook) == []


@pytest.mark.parametrize("option", ["--capture=tee-sys", "--debug", "--log-file=log", "--pastebin=all"])
def test_unredacted_ways_are_refused(runbook: Runbook, option: str) -> None:
    """Options of pytest whose output would bypass the redaction are refused."""
    ran = runbook.feature("1.feature", PASSING).run("features", option)
    assert ran.exit_code == 4
    assert "its output is not redacted and may contain secrets" in ran.terminal
    assert leaks(runbook) == []


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("def pytest_runtest_logfinish(): raise ValueError(CANARY)", id="internal-error"),
        pytest.param("def pytest_runtest_setup(item): print(CANARY)", id="before-the-first-step"),
        pytest.param("import pytest\ndef pytest_runtest_setup(item): pytest.skip(CANARY)", id="skipped"),
        pytest.param("def pytest_runtest_setup(item): item.user_properties.append((CANARY, CANARY))", id="property"),
    ],
)
def test_secret_of_a_plugin_does_not_get_out(runbook: Runbook, code: str) -> None:
    """Secrets that plugins print or raise at any moment are redacted wherever pytest shows or writes them."""
    runbook.steps(code).feature("1.feature", scenario("Good", "Given something to begin with"))
    runbook.run("features", "--junitxml=junit.xml", "-o", "junit_logging=all", "-rA", "-v")
    assert leaks(runbook) == []


def test_secret_of_a_module_that_cannot_be_loaded(runbook: Runbook) -> None:
    """A secret in an error during collection is redacted too."""
    runbook.steps(
        "import os\ndef pytest_collect_file(file_path):\n    raise ValueError(os.environ['TICKET_TOKEN'])"
    ).feature("1.feature", PASSING)
    runbook.run("features", "--junitxml=junit.xml")
    assert leaks(runbook) == []


def test_secret_that_the_settings_alone_name(runbook: Runbook) -> None:
    """A value of the env file that the settings use as a secret is redacted, whatever its name."""
    environment = runbook.server / ".env"
    environment.write_text(environment.read_text() + "WHERE_TO=canary-of-the-channel\n")
    settings = runbook.folder / "runbook.toml"
    text = settings.read_text().replace(f'{{ file = "{runbook.server}/announce" }}', '{ env_file = "WHERE_TO" }')
    settings.write_text(text)
    runbook.steps("""
@then("it is said")
def said(context):
    context.incident.record_fact("schema", ["canary-of-the-channel"])
""")
    ran = runbook.feature("1.feature", scenario("Said", "Then it is said")).run("features")
    assert ran.entries("fact")[0]["value"] == ["[secret announcement address]"]
    assert leaks(runbook, "canary-of") == []


def test_registry_login_does_not_get_out(runbook: Runbook) -> None:
    """The registry login in docker's configuration is redacted too."""
    folder = runbook.folder / "features"  # in KEPT
    (folder / "config.json").write_text('{"auths": {"r.example": {"identitytoken": "canary-login"}}}')
    ran = runbook.feature("1.feature", scenario("Environment", "Then the environment is shown")).run(
        "features", environment={"DOCKER_CONFIG": str(folder), "SHOWN": "with canary-login"}
    )
    # On the page, because the terminal wraps lines and cuts long text.
    assert "with [secret registry login of r.example]" in ran.page
    assert leaks(runbook, "canary-login") == []


def test_secrets_of_services_and_containers_do_not_get_out(runbook: Runbook) -> None:
    """Secrets in Compose's resolved project are redacted, and so are older values in running containers."""
    project = {"services": {"api": {"environment": {"SMTP_PASSWORD": "blue$$Heron77flies"}}}}
    (runbook.folder / "project.json").write_text(json.dumps(project))
    containers = json.loads((runbook.folder / "containers.json").read_text())
    containers[0]["Config"]["Env"] = ["SMTP_PASSWORD=older-canary"]
    (runbook.folder / "containers.json").write_text(json.dumps(containers))
    ran = runbook.feature("1.feature", scenario("Environment", "Then the environment is shown")).run(
        "features", environment={"SHOWN": "now blue$Heron77flies, before older-canary"}
    )
    assert "now [secret SMTP_PASSWORD], before [secret SMTP_PASSWORD]" in ran.page
    assert leaks(runbook, "Heron77flies") == leaks(runbook, "older-canary") == []


def test_run_whose_secrets_cannot_be_known_is_refused(runbook: Runbook) -> None:
    """If Compose cannot read the project, the run is refused and leaves no record that could contain a secret."""
    (runbook.folder / "project.json").unlink()
    ran = runbook.feature("1.feature", PASSING).run("features")
    assert ran.exit_code == 4
    assert "so its secrets are unknown" in " ".join(ran.terminal.split())
    assert ran.folder is None


def test_record_is_its_owners_alone(runbook: Runbook) -> None:
    """Folders of records have mode 0700 and all files 0600, including pytest-html's page and the index."""
    ran = runbook.feature("1.feature", PASSING).run("features")
    assert ran.folder is not None
    reports = ran.folder.parent
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [reports, *reports.rglob("*")]}
    assert {name for name, mode in modes.items() if mode == "0o700"} == {"reports", ran.folder.name}
    private = {name for name, mode in modes.items() if mode == "0o600"}
    assert private == {".summaries.json", "index.html", "journal.jsonl", "record.html"}
    assert set(modes.values()) == {"0o700", "0o600"}
