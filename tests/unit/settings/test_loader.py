"""Loading the settings file: each refusal is one line that names the key and never shows a secret."""

import re
from pathlib import Path

import pytest

from runbook.errors import SettingsError
from runbook.settings.loading.loader import load
from runbook.settings.schema import Settings
from runbook.settings.secret_source import SecretSource
from tests.support.parts import SETTINGS

CANARY = "canary-4711-do-not-print"
WORKFLOW = 'repository = "a/b"\nworkflow = "d.yml"\npattern = "(?P<tag>a)"\ntoken = { env = "X" }'
ROOT = Path(__file__).parents[3]


def written(folder: Path, text: str) -> Path:
    path = folder / "runbook.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load(path)
    return str(caught.value)


def changed(old: str, new: str) -> str:
    assert SETTINGS.count(old) >= 1
    return SETTINGS.replace(old, new, 1)


def test_least_file_is_enough(tmp_path: Path) -> None:
    """The minimal settings file loads, and keys that are left out have their documented defaults."""
    settings = load(written(tmp_path, SETTINGS))
    assert settings.project.services == ("api", "jobs")
    assert settings.project.tag_variable == "IMAGE_TAG"
    assert settings.project.compose_files == ()
    assert settings.ticket is not None
    assert settings.ticket.tracker == "github"
    assert settings.ticket.api_url == "https://api.github.com"
    assert settings.incident_log is None


def test_example_file_loads() -> None:
    """The example file is a valid settings file."""
    assert isinstance(load(ROOT / "docs" / "runbook.example.toml"), Settings)


def test_no_file_says_where_the_example_is(tmp_path: Path) -> None:
    """A missing file is refused with its path and the example to copy."""
    said = refusal(tmp_path / "runbook.toml")
    assert str(tmp_path / "runbook.toml") in said
    assert "docs/runbook.example.toml" in said


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        pytest.param(changed("user =", "usr ="), "database.usr", "did you mean user?", id="unknown-key"),
        pytest.param(SETTINGS + "\n[helth]\nport = 1\n", "helth", "did you mean health?", id="unknown-table"),
        pytest.param(SETTINGS + "\n[zzz]\n", "zzz", "unknown key", id="unknown-table-like-no-other"),
        pytest.param(
            changed('token = { env = "METRICS_TOKEN" }', 'token = { evn = "METRICS_TOKEN" }'),
            "metrics.token.evn",
            "did you mean env?",
            id="unknown-key-in-secret",
        ),
        pytest.param(changed('name = "shop"', "name = 7"), "project.name", "string", id="wrong-type"),
        pytest.param(SETTINGS + '\n[health]\nport = "eight"\n', "health.port", "integer", id="port-no-number"),
        pytest.param(SETTINGS + "\n[deadlines]\nhttp = nan\n", "deadlines.http", "", id="deadline-nan"),
        pytest.param(SETTINGS + "\n[deadlines]\nhttp = 0\n", "deadlines.http", "greater than 0", id="deadline-0"),
        pytest.param(
            SETTINGS + "\n[deadlines]\nstable = 120\n", "deadlines", "shorter than healthy", id="never-stable"
        ),
        pytest.param(SETTINGS + '\n[logs]\nignore = ["("]\n', "logs.ignore", "regular expression", id="bad-pattern"),
        pytest.param(
            SETTINGS + '\n[targets]\npattern = "("\n', "targets.pattern", "regular expression", id="no-pattern"
        ),
        *(
            pytest.param(SETTINGS + f"\n[[targets.{service}]]\n{keys}\n", f"targets.{key}", words, id=f"source-{name}")
            for name, service, keys, key, words in (
                ("no-tag", "logs", 'path = "/l"\npattern = "v1"', "logs.0.pattern", "(?P<tag>"),
                (
                    "other-group",
                    "logs",
                    'path = "/l"\npattern = "(?P<tag>a)(?P<x>b)"',
                    "logs.0.pattern",
                    "nothing else",
                ),
                (
                    "two-places",
                    "logs",
                    'path = "/l"\ncommand = ["x"]\npattern = "(?P<tag>a)"',
                    "logs.0",
                    "either path or",
                ),
                ("no-place", "logs", 'pattern = "(?P<tag>a)"', "logs.0", "either path or command"),
                ("no-artifact", "github", f'{WORKFLOW}\nread = "artifact"', "github.0", "expected artifact together"),
                (
                    "no-token",
                    "gitlab",
                    'project = "a/b"\njob = "d"\npattern = "(?P<tag>a)"',
                    "gitlab.0.token",
                    "is missing",
                ),
            )
        ),
        *(
            pytest.param(
                SETTINGS + f'\n[switches.x]\nvariable = "X"\npaths = ["/x"]\nremind_after = "{value}"\n',
                "switches.x.remind_after",
                "four digits",
                id=f"remind-after-{value}",
            )
            for value in ("tomorrow", "0h", "24", "1.5h", "2d ", "99999h")
        ),
        pytest.param(changed('name = "shop"\n', ""), "project.name", "is missing", id="missing-key"),
        pytest.param(
            changed('directory = "/srv/shop"', 'directory = "srv/shop"'),
            "project.directory",
            "absolute path",
            id="relative-directory",
        ),
        pytest.param(
            changed('name = "shop"', 'name = "Shop!"'),
            "project.name",
            "lower-case letters",
            id="name-that-compose-refuses",
        ),
        pytest.param(
            changed('{ env = "METRICS_TOKEN" }', '{ env = "METRICS_TOKEN", file = "/x" }'),
            "metrics.token",
            "exactly one of",
            id="secret-with-two-sources",
        ),
        pytest.param(
            changed('{ env = "METRICS_TOKEN" }', "{}"), "metrics.token", "exactly one of", id="secret-without-source"
        ),
        pytest.param(changed('{ env = "METRICS_TOKEN" }', f'"{CANARY}"'), "metrics.token", "", id="secret-written-out"),
        pytest.param(
            changed("https://registry.example", f"https://deploy:{CANARY}@registry.example"),
            "registry.url",
            "without a user name or password",
            id="password-in-url",
        ),
        pytest.param(
            changed('url = "https://registry.example"', 'url = "https://registry.example"\nusername = "deploy"'),
            "registry",
            "both username and password, or neither",
            id="username-without-password",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, key: str, words: str) -> None:
    """A mistake is reported in one line with the file, the key and the reason, and without secrets."""
    path = written(tmp_path, text)
    said = refusal(path)
    assert re.search(rf"^{re.escape(str(path))}:\d+: {re.escape(key)}: ", said)
    assert words in said
    assert CANARY not in said
    assert "\n" not in said


def test_not_toml_names_the_line(tmp_path: Path) -> None:
    """A file that is not TOML is refused with the line of the mistake, without the line's content."""
    said = refusal(written(tmp_path, f'[project]\nname = "{CANARY}\n'))
    assert "runbook.toml:2: not TOML: " in said
    assert CANARY not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe[project]"), id="not-utf8"),
        pytest.param(lambda path: path.mkdir(), id="a-folder"),
    ],
)
def test_unreadable_file_is_refused(tmp_path: Path, make: object) -> None:
    """A file that is not UTF-8 text, or is a folder, is refused like any other mistake."""
    path = tmp_path / "runbook.toml"
    make(path)  # type: ignore[operator]
    assert any(words in refusal(path) for words in ("runbook.toml:1: not UTF-8", "is a folder"))


@pytest.mark.parametrize("key", ["metrics token", "announcement address", "ticket token", "registry password"])
def test_every_secret_is_found_by_name(tmp_path: Path, key: str) -> None:
    """The settings list every secret source that they name, for redaction."""
    password = 'url = "https://registry.example"\nusername = "deploy"\npassword = { env = "REGISTRY_PASSWORD" }'
    settings = load(written(tmp_path, changed('url = "https://registry.example"', password)))
    assert key in settings.secret_sources()


def test_secret_is_fetched_from_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret comes from the environment, from a file without its line end, or from the env file."""
    monkeypatch.setenv("SOME_TOKEN", CANARY)
    (tmp_path / "token").write_text(f" {CANARY} \r\n")
    assert SecretSource(env="SOME_TOKEN").resolve({}).get_secret_value() == CANARY
    assert SecretSource(file=tmp_path / "token").resolve({}).get_secret_value() == f" {CANARY} "
    assert SecretSource(env_file="TOKEN").resolve({"TOKEN": CANARY}).get_secret_value() == CANARY


@pytest.mark.parametrize(
    ("source", "place"),
    [
        pytest.param({"env": "NO_SUCH_TOKEN"}, "environment variable NO_SUCH_TOKEN", id="env"),
        pytest.param({"file": "/nowhere/token"}, "file /nowhere/token", id="file"),
        pytest.param({"env_file": "NO_SUCH_KEY"}, "NO_SUCH_KEY of the env file", id="env-file"),
    ],
)
def test_missing_secret_is_told_by_its_place(source: dict[str, str], place: str) -> None:
    """A missing secret is reported with the place where it should be."""
    with pytest.raises(SettingsError, match=place):
        SecretSource.model_validate(source).resolve({"OTHER": CANARY})


def test_secret_file_of_other_bytes_is_refused_without_showing_them(tmp_path: Path) -> None:
    """A secret file that is not text is refused with its path, without its bytes."""
    path = tmp_path / "token"
    path.write_bytes(b"\xff\xfe" + CANARY.encode())
    with pytest.raises(SettingsError, match=str(path)) as caught:
        SecretSource(file=path).resolve({})
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_empty_secret_counts_as_missing(tmp_path: Path) -> None:
    """An empty secret file counts as missing."""
    (tmp_path / "token").write_text("\n")
    with pytest.raises(SettingsError, match="no secret in file"):
        SecretSource(file=tmp_path / "token").resolve({})


def test_secret_never_shows_when_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret does not appear in the repr of its value or of the settings."""
    monkeypatch.setenv("METRICS_TOKEN", CANARY)
    settings = load(written(tmp_path, SETTINGS))
    assert settings.metrics is not None
    assert settings.metrics.token is not None
    assert CANARY not in repr(settings.metrics.token.resolve({}))
    assert CANARY not in repr(settings)


@pytest.mark.parametrize(
    ("public_url", "health", "headers"),
    [
        pytest.param("https://shop.example", "", {"Host": "shop.example"}, id="public-host"),
        pytest.param("http://127.0.0.1:8080/shop", "", {"Host": "127.0.0.1:8080"}, id="with-its-port"),
        pytest.param("https://shop.example", 'host_header = "api"', {"Host": "api"}, id="another"),
        pytest.param(
            "https://shop.example",
            'headers = { X-Forwarded-Proto = "https" }',
            {"Host": "shop.example", "X-Forwarded-Proto": "https"},
            id="more",
        ),
    ],
)
def test_health_requests_carry_the_public_host(
    tmp_path: Path, public_url: str, health: str, headers: dict[str, str]
) -> None:
    """Health requests have the public URL's host as Host header, unless another is set."""
    path = tmp_path / "runbook.toml"
    path.write_text(changed("https://shop.example", public_url) + f"\n[health]\n{health}\n")
    assert load(path).health_headers() == headers


@pytest.mark.parametrize(
    "line", ['host_header = "a b"', 'host_header = "http://a"', 'scheme = "ftp"', 'headers = { host = "a" }']
)
def test_health_request_that_cannot_be_made_is_refused(tmp_path: Path, line: str) -> None:
    """An invalid host or scheme is refused, and so is a Host among the headers, which would be a second one."""
    path = tmp_path / "runbook.toml"
    path.write_text(f"{SETTINGS}\n[health]\n{line}\n")
    assert "health." in refusal(path)


_TICKET = '[ticket]\nrepository = "shop/shop"\ntoken = { env = "TICKET_TOKEN" }\n'


@pytest.mark.parametrize(
    ("ticket", "said"),
    [
        ('tracker = "bugzilla"', "ticket.tracker: expected tracker to be github, gitlab, jira or webhook"),
        ('tracker = "gitlab"\ntoken = { env = "X" }', "ticket.project: is missing"),
        ('tracker = "jira"\nurl = "https://j"\nproject = "shop"\ntoken = { env = "X" }', "ticket.project"),
        ('tracker = "webhook"\nurl = { env = "X" }\nlabels = ["a"]', "ticket.labels: unknown key"),
        ('repository = "a/b"\ntoken = { env = "X" }\nlabels = ["a,b"]', "ticket.labels"),
        ('repositry = "a/b"\ntoken = { env = "X" }', "ticket.repositry: unknown key"),
    ],
)
def test_ticket_is_refused_by_its_key(tmp_path: Path, ticket: str, said: str) -> None:
    """A mistake in [ticket] is reported with its key, for any tracker."""
    assert said in refusal(written(tmp_path, changed(_TICKET, f"[ticket]\n{ticket}\n")))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("[incident_log]", "incident_log: expected either file or command"),
        ('[incident_log]\nfile = "a"\ncommand = ["b"]', "incident_log: expected either file or command"),
    ],
)
def test_incident_log_has_one_place(tmp_path: Path, section: str, said: str) -> None:
    """The incident log needs either a file or a command."""
    assert said in refusal(written(tmp_path, f"{SETTINGS}\n{section}\n"))


def test_team_needs_no_tracker_and_its_files_lie_beside_the_settings(tmp_path: Path) -> None:
    """[ticket] may be left out, and relative paths are relative to the settings file."""
    text = changed(_TICKET, '[incident_log]\nfile = "log/incidents.md"\n')
    text = text.replace('url = { env = "ANNOUNCEMENT_URL" }', 'url = { env = "A" }\ntemplates = "/etc/told"')
    settings = load(written(tmp_path, text))
    assert settings.ticket is None
    assert "ticket token" not in settings.secret_sources()
    assert settings.incident_log is not None
    assert settings.incident_log.file == tmp_path / "log/incidents.md"
    assert settings.announcement is not None
    assert settings.announcement.templates == Path("/etc/told")


def test_secrets_of_a_webhook_are_known(tmp_path: Path) -> None:
    """A webhook's URL is listed as a secret, so that redaction learns it."""
    hook = '[ticket]\ntracker = "webhook"\nurl = { env = "HOOK" }\n'
    sources = load(written(tmp_path, changed(_TICKET, hook))).secret_sources()
    assert sources["ticket address"].env == "HOOK"
    assert "ticket token" not in sources
