"""Sixty settings files with three mistakes each: all are reported at once, each with its line and how to fix it."""

from pathlib import Path
from typing import NamedTuple

import pytest

from runbook.errors import SettingsError
from runbook.settings.loading.loader import load

CANARY = "canary-4711-do-not-print"


class Mistake(NamedTuple):
    """A section's lines, the line `at` which the mistake is reported, its key, and a text that the report contains."""

    section: str
    lines: tuple[str, ...]
    at: str
    key: str
    helps: str


def one(section: str, line: str, helps: str, *around: str, key: str = "") -> Mistake:
    """Return a mistake in one line of a section. `around` are the other lines that the section needs."""
    name = line.partition(" =")[0]
    return Mistake(section, (line, *around), line, key or f"{section}.{name}", helps)


def whole(section: str, helps: str, *lines: str, key: str = "") -> Mistake:
    """Return a mistake of a section as a whole, which is reported at its header."""
    return Mistake(section, lines, f"[{section}]", key or section, helps)


PUBLIC = 'public_url = "https://shop.example"'
DATABASE = ('user = "shop"', 'name = "shop"')
MISTAKES = [
    one("host", "minimum_free_gib = -1", "greater than or equal to 0; found -1"),
    one("host", "minimum_free = 2", "did you mean minimum_free_gib?"),
    one("host", 'environment = "PATH=/bin"', "expected a table; found a string"),
    one("registry", f'url = "https://deploy:{CANARY}@registry.example"', "without a user name or password in it"),
    whole("registry", "both username and password, or neither", 'url = "https://r.example"', 'username = "deploy"'),
    whole("registry", "is missing", 'username = "deploy"', 'password = { env = "X" }', key="registry.url"),
    one("targets", 'pattern = "("', "not a regular expression"),
    one("targets", "newest = 0", "greater than or equal to 1; found 0"),
    one("targets", "deadlines = 3", "did you mean deadline?"),
    one("database", 'usr = "shop"', "did you mean user?", *DATABASE),
    whole("database", "expected user and name", 'user = "shop"'),
    whole("database", "expected no name with url", 'url = { env = "DB" }', 'name = "shop"'),
    whole("database", "expected image only with url", 'image = "postgres:16"', *DATABASE),
    one("database", f'url = "postgresql://shop:{CANARY}@db/shop"', "says where the secret is, such as { env"),
    one("migrations", 'tool = "django"', "'alembic', 'own' or 'none'"),
    whole("migrations", "expected current and heads", 'tool = "own"'),
    whole("migrations", "Alembic is called directly", 'heads = ["x"]'),
    one("migrations", 'downgrade = ["flask", "db", "downgrade"]', "expected {revision}"),
    whole("migrations", "neither is set", 'trial = ["x"]'),
    one("migrations", 'at_start = "never"', "expected a valid boolean"),
    one("traffic", f'public_url = "https://me:{CANARY}@shop.example"', "without a user name or password in it"),
    one("traffic", 'check_path = "orders"', "a path that begins with /", PUBLIC),
    one("traffic", "probe_interval = 61", "less than or equal to 60; found 61", PUBLIC),
    whole("traffic", "expected resume and state as well", PUBLIC, 'pause = { command = ["x"] }'),
    one("traffic", "pause = { comand = ['x'] }", "did you mean command?", PUBLIC, key="traffic.pause.comand"),
    one("health", 'port = "eight"', "expected a valid integer"),
    one("health", "port = 70000", "less than or equal to 65535; found 70000"),
    one("health", 'scheme = "ftp"', "'http' or 'https'"),
    one("health", 'service = "web"', "allowed: api, jobs"),
    one("health", 'headers = { Host = "shop" }', "use host_header"),
    one("health", 'host_header = "https://shop"', "a host name"),
    one("health", 'readiness = "good"', "'json', 'status' or 'container'"),
    whole("health", 'only with readiness = "json"', 'readiness = "status"', 'values = { status = "ok" }'),
    one("health", 'readyness_path = "/r"', "did you mean readiness_path?"),
    one("health", 'through = "gateway"', "'container' or 'published' or a URL"),
    one("metrics", f'token = "{CANARY}"', "says where the secret is, such as { env", 'url = "https://shop.example/m"'),
    one("metrics", 'token = { evn = "X" }', "did you mean env?", 'url = "https://x"', key="metrics.token.evn"),
    one("metrics", 'token = { env = "X", file = "/x" }', "exactly one of", 'url = "https://x"'),
    whole("metrics", "either path, below traffic.public_url", 'path = "/m"', 'url = "https://x"'),
    one("logs", 'window = "ten minutes"', "a number with s, m or h"),
    one("logs", "services = []", "at least 1 item"),
    one("logs", 'ignore = ["("]', "not a regular expression"),
    one("switches.x", 'variable = "EXPORT-MODE"', "the name of a variable", 'paths = ["/x"]'),
    one("switches.x", 'remind_after = "tomorrow"', "at most four digits", 'variable = "X"', 'paths = ["/x"]'),
    whole("switches.x", "is missing", 'variable = "X"', key="switches.x.paths"),
    one("aws", 'endpoint_url = "vpce"', "a URL that begins with http"),
    whole("vault", "expected either token, or role_id", 'address = "https://v"'),
    one("announcement", 'turns = ["begun"]', "'started'", 'url = { env = "X" }', key="announcement.turns.0"),
    whole("announcement", "is missing", 'turns = ["done"]', key="announcement.url"),
    one("ticket", 'repository = "shop"', "owner/name", 'token = { env = "X" }'),
    one("ticket", 'tracker = "trello"', "github, gitlab, jira or", 'token = { env = "X" }', key="ticket.tracker"),
    whole("ticket", "is missing", 'repository = "a/b"', key="ticket.token"),
    whole("incident_log", "expected either file or command", 'file = "l.md"', 'command = ["x"]'),
    one("incident_log", "command = []", "at least 1 item"),
    one("deadlines", "http = 0", "greater than 0; found 0"),
    one("deadlines", "migrate = 4000", "less than or equal to 3600; found 4000"),
    whole("deadlines", "shorter than healthy", "stable = 120"),
    one("deadlines", 'up = "3 minutes"', "expected a valid number"),
    one("record", 'secret_variables = ["A B"]', "the name of a variable", key="record.secret_variables.0"),
    one("record", "secrets = []", "did you mean secret_variables?"),
]


def files() -> list[tuple[Mistake, ...]]:
    """Return each mistake with two others, of other sections."""
    found = []
    for number, first in enumerate(MISTAKES):
        chosen = [first]
        for step in (17, 31, 7, 11, 13):
            other = MISTAKES[(number + step) % len(MISTAKES)]
            if len(chosen) < 3 and other.section not in [each.section for each in chosen]:
                chosen.append(other)
        found.append(tuple(chosen))
    return found


@pytest.mark.parametrize("mistakes", files(), ids=lambda found: "+".join(each.key for each in found))
def test_all_mistakes_are_named_at_once(tmp_path: Path, mistakes: tuple[Mistake, ...]) -> None:
    """Each mistake is reported with file, line, key and advice; no secret is shown, and nothing else reported."""
    text = ["# the shop", "[project]", 'name = "shop"', 'directory = "/srv/shop"', ""]
    for mistake in mistakes:
        text += [f"[{mistake.section}]", *mistake.lines, ""]
    path = tmp_path / "runbook.toml"
    path.write_text("\n".join(text), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(path)
    told = str(caught.value)
    for mistake in mistakes:
        line = 1 + text.index(mistake.at, text.index(f"[{mistake.section}]"))
        (said,) = [each for each in told.splitlines() if f"{path}:{line}: {mistake.key}: " in each]
        assert mistake.helps in said
    assert told.splitlines()[0] == "3 mistakes in the settings (docs/settings.md explains every key):"
    assert len(told.splitlines()) == 1 + len(mistakes)
    assert CANARY not in told


def test_there_are_sixty() -> None:
    """There are 60 files, all different."""
    assert len({tuple(each.at for each in found) + tuple(each.key for each in found) for found in files()}) == 60


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("RUNBOOK__HEALTH__PORT", "eight", "environment variable RUNBOOK__HEALTH__PORT: health.port: expected a valid"),
        ("RUNBOOK__HEALTH__PROT", "8", "environment variable RUNBOOK__HEALTH__PROT: health.prot: unknown key"),
        ("RUNBOOK__HELTH__PORT", "8", "environment variable RUNBOOK__HELTH__PORT: helth: unknown key; did you mean he"),
        ("RUNBOOK__PROJECT__SERVICES", "api", "a list or a table in one of RUNBOOK__PROJECT__SERVICES is not JSON"),
    ],
)
def test_mistake_in_the_environment_names_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    """A mistake in an environment override is reported with its variable."""
    path = tmp_path / "runbook.toml"
    path.write_text('[project]\nname = "shop"\ndirectory = "/srv/shop"\n', encoding="utf-8")
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert told in caught.value.seen


def test_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables override one key of a section, a list, and a section that the file does not have."""
    path = tmp_path / "runbook.toml"
    path.write_text('[project]\nname = "shop"\ndirectory = "/srv/shop"\n[health]\nport = 1\n', encoding="utf-8")
    monkeypatch.setenv("RUNBOOK__HEALTH__PORT", "8080")
    monkeypatch.setenv("RUNBOOK__PROJECT__SERVICES", '["web"]')
    monkeypatch.setenv("RUNBOOK__METRICS__URL", "http://127.0.0.1:9000/metrics")
    settings = load(path)
    assert settings.health is not None
    assert settings.metrics is not None
    assert (settings.health.port, settings.health.service, settings.project.name) == (8080, "web", "shop")


HEAD = '[project]\nname = "shop"\ndirectory = "/srv/shop"\n'
MORE = HEAD.encode()
#: Invalid files: their bytes, the line that is reported, what was found, and the advice.
ODD = [
    (b"", 1, "project: is missing", "docs/settings.md"),
    (b"\n# nothing but a comment\n", 1, "project: is missing", "docs/settings.md"),
    (MORE + b"[health]\nport = \n[traffic]\n", 5, "health.port|not TOML", "a string needs quotes"),
    (MORE + b"[health\nport = 8000\n", 4, "not TOML", "a string needs quotes"),
    (MORE + b"[health]\nservice = api\n", 5, "not TOML", "a string needs quotes"),
    (MORE + b"[health]\nport: 8000\n", 5, "not TOML", "each key its own line"),
    (MORE + b"[health]\nport = 8000, scheme = 'http'\n", 5, "not TOML", "each key its own line"),
    (MORE + b"[logs]\nservices = ['api'\n\n[health]\nport = 1\n", 5, "not TOML", "a list [ ]"),
    (MORE + b'[health]\nservice = "api\nport = 8000\n', 5, "not TOML", "a string needs quotes"),
    (MORE + b"[health]\nport = 08000\n", 5, "not TOML", "port = 8000"),
    (MORE + b"[health]\nport = 1\nscheme = 'http'\nport = 2\n", 7, "port is set twice, first at line 5", "remove one"),
    (MORE + b"[health]\nport = 1\n[logs]\n[health]\n", 7, "health is set twice, first at line 4", "remove one"),
    (MORE + b'name = "desk"\n', 4, "project.name is set twice, first at line 2", "remove one"),
    (MORE + b"directory.x = 1\n", 4, "project.directory is set twice, first at line 3", "remove one"),
    (MORE + b"# M\xfcller\n", 4, "not UTF-8: found the byte 0xfc", "save the file as UTF-8"),
    (HEAD.encode("utf-16"), 1, "not UTF-8: found the byte 0xff", "save the file as UTF-8"),
    (MORE + b"\x00\x00", 4, "not TOML", "a string needs quotes"),
    (b"project:\n  name: shop\n", 1, "not TOML", "a string needs quotes"),
    (b'{"project": {"name": "shop"}}', 1, "not TOML", "a string needs quotes"),
    (MORE + b"[logs]\nservices = ['api', 7]\n", 5, "logs.services.1: expected a valid string; found 7", ""),
    (MORE + b"[logs]\nservices = 'api'\n", 5, "logs.services: expected a list; found a string", ""),
    (MORE + b"[logs]\nservices = [['api']]\n", 5, "logs.services.0: expected a valid string; found a list", ""),
    (MORE + b"[traffik]\npublic_url = 'http://x'\n", 4, "traffik: unknown key; did you mean traffic?", "allowed: "),
    (MORE + b"[swiches.exports]\nvariable = 'X'\n", 4, "swiches: unknown key; did you mean switches?", ""),
    (MORE + b"[[health]]\nport = 1\n", 4, "health: expected a table; found a list", ""),
    (b"project = 'shop'\n", 1, "project: expected a table; found a string", ""),
    (b"[[project]]\nname = 'shop'\n", 1, "project: expected a table; found a list", ""),
    (b"[Project]\nname = 'shop'\n", 1, "Project: unknown key; did you mean project?", ""),
    (MORE + b"health = { port = 1 }\n", 4, "project.health: unknown key", "allowed: "),
]  # fmt: skip


@pytest.mark.parametrize(("content", "line", "found", "helps"), ODD)
def test_odd_file_is_told_with_its_line(tmp_path: Path, content: bytes, line: int, found: str, helps: str) -> None:
    """An invalid file is reported with the line, what was found there, and the advice."""
    path = tmp_path / "runbook.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(path)
    told = str(caught.value)
    assert f"{path}:{line}: " in told
    before, _, after = found.partition("|")
    assert before in told or (after and after in told)
    assert helps in told
    assert "\x00" not in told


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEAD.encode(),
        HEAD.replace("\n", "\r\n").encode(),
        HEAD.encode().rstrip(),
        b"\n\n" + HEAD.encode(),
    ],
    ids=["a byte order mark", "Windows' line ends", "no line end at the end", "empty lines before"],
)
def test_how_an_editor_saves_it_does_not_matter(tmp_path: Path, content: bytes) -> None:
    """A file with any line ends or byte order mark loads, and mistakes have the line that an editor shows."""
    path = tmp_path / "runbook.toml"
    path.write_bytes(content)
    assert load(path).project.name == "shop"
    path.write_bytes(content.replace(b"directory", b"directori"))
    with pytest.raises(SettingsError) as caught:
        load(path)
    line = 1 + content[: content.index(b"directory")].count(b"\n")
    assert f"{path}:{line}: project.directori: unknown key; did you mean directory?" in str(caught.value)


@pytest.mark.parametrize("where", ["a folder", "a link to nowhere", "a file behind a file", "no right to read"])
def test_file_that_cannot_be_read_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """The error says what is wrong at the path, and gives a command or file name to type."""
    path = tmp_path / "runbook.toml"
    if where == "a folder":
        path.mkdir()
    elif where == "a link to nowhere":
        path.symlink_to(tmp_path / "gone")
    elif where == "a file behind a file":
        path.write_text(HEAD)
        path /= "runbook.toml"
    else:
        path.write_text(HEAD)

        def refused(_path: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(SettingsError) as caught:
        load(path)
    told = str(caught.value)
    assert str(path) in told
    expected = {
        "a folder": ("is a folder", f"type its name: {path / 'runbook.toml'}"),
        "a link to nowhere": ("no settings file at", "runbook init"),
        "a file behind a file": ("cannot be read (Not a directory)", f"ls -l {path}"),
        "no right to read": ("cannot be read (Permission denied)", f"ls -l {path}"),
    }[where]
    assert all(words in told for words in expected), told
