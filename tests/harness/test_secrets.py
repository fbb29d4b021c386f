"""Secrets and hostile output: neither gets out of a run, by whichever way it is shown."""

import json
from datetime import datetime, timedelta

import pytest

from tests.harness.inner import CANARY, Ran, Runbook, scenario

FAILING = scenario("Failing", "Given something to begin with", "Then a secret fails")
PASSING = scenario("Passing", "Given something to begin with", "And a secret is printed")
#: Where the secret is kept on purpose.
KEPT = {"steps.py", ".env", "features", "project.json", "containers.json"}


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
    shown = " ".join(ran.terminal.split())
    assert "[secret DEPLOY_TOKEN]" in shown
    assert "[secret GIT_URL]" in shown
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


def test_secret_is_not_written_in_two_pieces(runbook: Runbook) -> None:
    """What pytest writes in pieces is redacted as one text."""
    runbook.steps("""
def pytest_terminal_summary(terminalreporter):
    terminalreporter.write("one " + CANARY[:7])
    terminalreporter.write(CANARY[7:] + " two\\n")
""")
    ran = runbook.feature("1.feature", PASSING).run("features")
    assert "one [secret METRICS_TOKEN] two" in ran.terminal
    assert CANARY not in ran.terminal


def test_uncaptured_output_is_redacted(runbook: Runbook) -> None:
    """With -s what a step prints goes to the terminal, and not as it is."""
    ran = runbook.feature("1.feature", PASSING).run("features", "-s")
    assert ran.exit_code == 0
    assert "stdout says [secret METRICS_TOKEN]" in ran.terminal
    assert "stderr says [secret METRICS_TOKEN]" in ran.terminal
    assert leaks(runbook) == []


@pytest.mark.parametrize("option", ["--capture=tee-sys", "--debug", "--log-file=log", "--pastebin=all"])
def test_unredacted_ways_are_refused(runbook: Runbook, option: str) -> None:
    """Options of pytest that write past all redaction are refused."""
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
    """What plugins print and raise, at whichever moment, is redacted wherever pytest shows or writes it."""
    runbook.steps(code).feature("1.feature", scenario("Good", "Given something to begin with"))
    runbook.run("features", "--junitxml=junit.xml", "-o", "junit_logging=all", "-rA", "-v")
    assert leaks(runbook) == []


def test_secret_of_a_module_that_cannot_be_loaded(runbook: Runbook) -> None:
    """What is raised while the features are collected is redacted too."""
    runbook.steps(
        "import os\ndef pytest_collect_file(file_path):\n    raise ValueError(os.environ['TICKET_TOKEN'])"
    ).feature("1.feature", PASSING)
    runbook.run("features", "--junitxml=junit.xml")
    assert leaks(runbook) == []


def test_secret_that_the_settings_alone_name(runbook: Runbook) -> None:
    """A secret in the env file under a name that says nothing is known before it is used."""
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
    """The login that docker keeps is known too."""
    folder = runbook.folder / "features"  # where canaries may be
    (folder / "config.json").write_text('{"auths": {"r.example": {"identitytoken": "canary-login"}}}')
    ran = runbook.feature("1.feature", scenario("Environment", "Then the environment is shown")).run(
        "features", environment={"DOCKER_CONFIG": str(folder), "SHOWN": "with canary-login"}
    )
    # On the page, since the terminal breaks lines and cuts what is long.
    assert "with [secret registry login of r.example]" in ran.page
    assert leaks(runbook, "canary-login") == []


def test_secrets_of_services_and_containers_do_not_get_out(runbook: Runbook) -> None:
    """What Compose resolves is known, and so is the secret that a container still has from before it was changed."""
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
    """Where Compose cannot read the project nothing is begun, and no record is left that could hold a secret."""
    (runbook.folder / "project.json").unlink()
    ran = runbook.feature("1.feature", PASSING).run("features")
    assert ran.exit_code == 4
    assert "so its secrets are unknown" in " ".join(ran.terminal.split())
    assert ran.folder is None


def test_record_is_its_owners_alone(runbook: Runbook) -> None:
    """Folders are 0700 and files 0600, pytest-html's page and the index among them."""
    ran = runbook.feature("1.feature", PASSING).run("features")
    assert ran.folder is not None
    reports = ran.folder.parent
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [reports, *reports.rglob("*")]}
    assert {name for name, mode in modes.items() if mode == "0o700"} == {"reports", ran.folder.name}
    private = {name for name, mode in modes.items() if mode == "0o600"}
    assert private == {".summaries.json", "index.html", "journal.jsonl", "record.html"}
    assert set(modes.values()) == {"0o700", "0o600"}
