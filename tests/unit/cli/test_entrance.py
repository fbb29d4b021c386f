"""The commands of the entrance: short forms, init, doctor and status, with parts made by the tests."""

import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.actions import Check, Observation, left_out
from runbook.cli import doctor, main, shortcuts, status
from runbook.cli.check_settings import absent_from
from runbook.cli.starting import start
from runbook.cli.starting.seen import Answer, Seen
from runbook.cli.starting.writing import written
from runbook.command_hints import CHECKOUT
from runbook.errors import Inconclusive, RunbookError, SettingsError
from runbook.journal.journal import Journal
from runbook.secrets.redactor import Redactor
from runbook.settings.absent import Absent
from runbook.settings.loading.loader import load
from runbook.settings.loading.places import lines_of

CANARY = "canary-4711"


# -- short forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rest", "typed"),
    [
        ("plan", ["--to", "v1"], "features --to v1"),
        ("rollback", ["--execute", "shop"], "features --execute shop"),
        ("rollback", ["--resume", "i", "--execute=shop"], "features --resume i --execute=shop"),
        ("validate", [], "features -m post_deploy"),
        ("validate", ["--release", "v2"], "features -m pre_deploy --release v2"),
        ("emergency", ["--execute", "shop"], "features -m emergency --execute shop"),
        ("restore", ["--dump", "a.dump"], "features -m restore --dump a.dump"),
    ],
)
def test_short_forms_are_lines_of_pytest(name: str, rest: list[str], typed: str) -> None:
    """In the checkout, a short form is the pytest command that one would type there."""
    program, *words = shortcuts.line(name, rest, here=CHECKOUT)
    assert Path(program).name == "pytest"
    assert shlex.join(words) == typed


def test_short_form_elsewhere_names_everything(tmp_path: Path) -> None:
    """Outside the checkout, a short form names features, settings and reports, so that it works as printed."""
    (tmp_path / "runbook.toml").touch()
    _, *words = shortcuts.line("plan", [], here=tmp_path)
    settings, reports = ["--settings", str(tmp_path / "runbook.toml")], ["--reports", str(tmp_path / "reports")]
    assert words == [str(CHECKOUT / "features"), *settings, *reports]


def test_rollback_wants_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    """`rollback` without `--execute` and the project's name is refused."""
    assert main.main(["rollback"]) == 1
    assert "runbook plan" in capsys.readouterr().err


def test_short_form_begins_at_once() -> None:
    """A short form starts without loading slow modules. pytest loads them later."""
    asked = "import sys; from runbook.cli.main import command_line; command_line(['rollback']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    assert "runbook.cli.shortcuts" in loaded.stdout.split()
    assert not {"pydantic", "rich", "runbook.settings.schema"} & set(loaded.stdout.split())


def test_options_of_a_command_are_completed(tmp_path: Path) -> None:
    """Options are completed by argcomplete's protocol: the line in the environment, the answer on descriptor 8."""
    line = "runbook records --js"
    asking = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    answer = tmp_path / "answer"
    argv = ["sh", "-c", 'exec "$1" -m runbook 8>"$2" 9>/dev/null', "sh", sys.executable, str(answer)]
    subprocess.run(argv, env=os.environ | asking, timeout=60, check=False)
    assert answer.read_text().split() == ["--json"]


def test_help_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    """The help has fewer than 35 lines of at most 80 columns, and lists every command."""
    with pytest.raises(SystemExit):
        main.main(["--help"])
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) < 35
    assert max(map(len, shown)) <= 80
    for command in ("init", "doctor", "status", *shortcuts.SHORTCUTS, "settings", "records"):
        assert any(line.strip().split(" ")[0] == command for line in shown)


# -- init ----------------------------------------------------------------------------------------------------------

WHOLE = Seen(
    name="shop", directory="/srv/shop", config_files=("compose.yaml",), env_file="prod.env",
    variables=("TAG", "METRICS_TOKEN", "DB_PASSWORD"), tag_variable="TAG", services=("web", "worker"), others=("pg",),
    registry="https://registry.example", port=8080, checked_path="/health", has_health_check=True,
    answers={
        "/readyz": Answer("/readyz", 200, {"ready": True, "database": True, "version": CANARY}),
        "/health": Answer("/health", 200, {"status": "ok"}),
        "/metrics": Answer("/metrics", 401),
    },
    migrations=("alembic.ini",), database="pg", database_user="shop", database_name="sales",
    gateway="proxy", gateway_image="nginx", public_url="http://127.0.0.1:80",
)  # fmt: skip


def settings_of(folder: Path, seen: Seen) -> Any:
    path = folder / "made.toml"
    path.write_text(written(seen, "2025-12-18"), encoding="utf-8")
    return load(path)


def test_what_was_seen_becomes_settings(tmp_path: Path) -> None:
    """The settings load and match production. Each guess has a reason, and no variable's value is written."""
    found = settings_of(tmp_path, WHOLE)
    project = found.project
    assert (project.name, project.env_file, project.tag_variable, project.services) == (
        "shop", "prod.env", "TAG", ("web", "worker"),
    )  # fmt: skip
    assert (found.database.service, found.database.user, found.database.name) == ("pg", "shop", "sales")
    assert (found.migrations.service, found.migrations.config) == ("web", "alembic.ini")
    assert (found.health.port, found.health.readiness_path, found.health.required) == (
        8080,
        "/readyz",
        ("ready", "database"),
    )
    assert found.metrics.token.env_file == "METRICS_TOKEN"
    assert found.traffic.gate is None
    text = written(WHOLE, "2025-12-18")
    assert CANARY not in text
    for line in text.split("\n\n")[1:]:
        assert line.startswith("#") or "\n# " in line, line


@pytest.mark.parametrize(("database", "left_out"), [("", True), ("pg", False)])
def test_own_commands_without_a_database_cannot_go_back(tmp_path: Path, database: str, *, left_out: bool) -> None:
    """With own migration commands and no database, a restore point is not configured."""
    migrations = ("manage.py", "shop/migrations/0001_initial.py")
    found = settings_of(tmp_path, Seen(**(vars(WHOLE) | {"database": database, "migrations": migrations})))
    assert found.migrations.tool == "own"
    assert (Absent.RESTORE_POINT in absent_from(found)) is left_out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"answers": {"/health": Answer("/health", 200, {"status": "ok"})}}, ("json", {"status": "ok"})),
        ({"answers": {"/health": Answer("/health", 200)}}, ("status", {})),
        ({"answers": {"/ping": Answer("/ping", 200, None, "pong")}, "checked_path": ""}, ("status", {})),
        ({"answers": {}}, ("container", {})),
    ],
)
def test_readiness_is_what_the_application_says(tmp_path: Path, change: dict[str, Any], expected: Any) -> None:
    """Readiness is read from parts, from a value, from the status, or from the container's health check."""
    health = settings_of(tmp_path, Seen(**(vars(WHOLE) | change))).health
    assert (health.readiness, health.values) == expected


def test_little_seen_is_a_file_that_loads(tmp_path: Path) -> None:
    """Settings with few facts still load, and each missing fact is a comment with the next step."""
    bare = Seen("shop", "/srv/shop")
    assert settings_of(tmp_path, bare).project.name == "shop"
    assert written(bare, "2025-12-18").count("NOT SEEN") >= 4
    elsewhere = Seen("shop", "/srv/shop", variables=("DATABASE_URL",), database_url="DATABASE_URL")
    assert settings_of(tmp_path, elsewhere).database.url.env_file == "DATABASE_URL"


DJANGO = ("manage.py", "shop/migrations/0001_initial.py", "/usr/bin/python3")


@pytest.mark.parametrize(
    ("found", "tool", "upgrade", "downgrade"),
    [
        (DJANGO, "own", (), ("python3", "manage.py", "migrate", "shop", "{revision}")),
        ((*DJANGO, "desk/migrations/0001_initial.py"), "own", (), ()),
        (
            ("migrations/alembic.ini", "Flask-Migrate", "/venv/bin/flask", "/venv/bin/python3"),
            "alembic",
            ("flask", "db", "upgrade", "{revision}"),
            ("flask", "db", "downgrade", "{revision}"),
        ),
        (
            ("migrations/alembic.ini", "Flask-Migrate", "/usr/bin/python"),
            "alembic",
            ("python", "-m", "flask", "db", "upgrade", "{revision}"),
            ("python", "-m", "flask", "db", "downgrade", "{revision}"),
        ),
        (("migrations/alembic.ini", "/usr/bin/python3"), "alembic", (), ()),
    ],
)
def test_migrations_of_a_framework_need_no_code(
    tmp_path: Path, found: tuple[str, ...], tool: str, upgrade: tuple[str, ...], downgrade: tuple[str, ...]
) -> None:
    """Django's and Flask's commands are written into the settings. With several Django apps there is no downgrade."""
    migrations = settings_of(tmp_path, Seen(**(vars(WHOLE) | {"migrations": found}))).migrations
    assert (migrations.tool, migrations.upgrade, migrations.downgrade) == (tool, upgrade, downgrade)
    for words in (migrations.current, migrations.heads):
        assert bool(words) is (tool == "own")
        if words:
            compile(words[-1], "the code", "exec")
            assert "'shop'" in words[-1]


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    """`init` does not overwrite an existing file, nor a link that leads nowhere."""
    there = tmp_path / "runbook.toml"
    there.symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="not overwritten"):
        start.start(SimpleNamespace(settings=there, folder=None))  # type: ignore[arg-type]  # what it reads
    assert not (tmp_path / "nowhere").exists()


# -- doctor --------------------------------------------------------------------------------------------------------


def raising(error: RunbookError) -> Any:
    def look() -> Observation:
        raise error

    return look


SETTINGS = """\
[project]
name = "shop"
directory = "/srv/shop"

[traffic]
public_url = "https://shop.example"
check_path = "/orders"

[health]
port = 8080
required = [
  "database",
]
"""


def failing(seen: str, helps: str, key: str = "") -> Check:
    return Check("it to be well", lambda: Observation(ok=False, seen=seen, key=key), helps)


def test_doctor_tells_seen_expected_and_the_line_to_change(tmp_path: Path) -> None:
    """Each problem is reported once, at the line of its key. A part that is not configured is not a problem."""
    path = tmp_path / "runbook.toml"
    path.write_text(SETTINGS)
    lines = lines_of(SETTINGS)
    good = doctor._tried("health", Check("well", lambda: Observation(ok=True, seen="it is"), "mend it"))
    absent = doctor._tried("metrics", left_out("a page", Absent.METRICS))
    assert absent.expected == ""
    told = [
        (doctor._tried("traffic.check_path", failing("404", "set it")), 7),
        (doctor._tried("traffic.check_path", failing("a redirect", "take that", "traffic.public_url")), 6),
        (doctor._tried("health", failing("no database", "name it", "health.required")), 11),
        (doctor._tried("health", failing("refused", "set it", "health.host_header")), 9),
        (doctor._tried("project.env_file", Check("a file", raising(Inconclusive("no file", "make it")), "")), 1),
        (doctor._tried("health", Check("a port", raising(Inconclusive("no", "set it", "health.port")), "")), 10),
        (doctor._tried("registry.url", raising(SettingsError("no password", "put it there"))), 11),
    ]
    findings = [good, *(each for each, _ in told)]
    assert [each.ok for each in findings] == [True] + [False] * len(told)
    places = {each.key: doctor.place_of(each.key, lines) for each in findings}
    shown = doctor.report(load(path), findings, Path("runbook.toml"), places)
    for each, line in told:
        assert places[each.key] == line, each.key
        assert any(f"change  runbook.toml:{line} {each.key}: {each.helps}" in said for said in shown)
        assert any(said.endswith(f"seen    {each.seen}") for said in shown)
    assert shown[-1] == "no: 7 problems; nothing was changed"
    assert max(map(len, shown)) <= 80
    assert "not set  metrics: metrics are not scraped" in "\n".join(shown)


def test_problem_of_no_setting_names_none(tmp_path: Path) -> None:
    """A problem that no setting causes is reported without a line of the settings."""
    path = tmp_path / "runbook.toml"
    path.write_text(SETTINGS)
    finding = doctor._tried("", failing("nothing on the ledger", "type runbook validate"))
    shown = doctor.report(load(path), [finding], path, {"": 1})
    assert "           do      type runbook validate" in shown
    assert not any(str(path) in line for line in shown)


def test_every_secret_has_its_key(tmp_path: Path) -> None:
    """Each secret of the settings has a line that doctor finds."""
    text = (CHECKOUT / "docs" / "runbook.example.toml").read_text(encoding="utf-8")
    path = tmp_path / "runbook.toml"
    path.write_text(text, encoding="utf-8")
    lines = lines_of(text)
    keys = [doctor.key_of(name) for name in load(path).secret_sources()]
    assert len(keys) > 3
    assert [key for key in keys if tuple(key.split(".")) not in lines] == []


# -- status --------------------------------------------------------------------------------------------------------


def production(**given: Any) -> Any:
    """Return the context that `following` reads: a production without problems, except for `given`."""
    calm: dict[str, Any] = {"note": None, "gate": "open", "validated": "v1", "tag": "v1"}
    now = calm | given
    newest = [SimpleNamespace(tag=now["validated"], time=datetime.now(UTC) - timedelta(hours=3))]
    return SimpleNamespace(
        settings=SimpleNamespace(project=SimpleNamespace(name="shop")),
        open_rollback=SimpleNamespace(read=lambda: now["note"]),
        gate=SimpleNamespace(state=lambda: now["gate"]),
        ledger=SimpleNamespace(candidates=lambda: newest if now["validated"] else []),
        production=SimpleNamespace(tag=lambda: now["tag"]),
        failed=now.get("failed"),
    )


NOTE = {"incident": "20251218T031502Z-shop-rollback", "target": "v1"}


@pytest.mark.parametrize(
    ("given", "held", "typed"),
    [
        ({}, None, "runbook plan"),
        ({"gate": "closed"}, None, "runbook plan"),
        ({"gate": "held"}, None, "runbook plan"),
        ({"tag": "v2"}, None, "runbook validate"),
        ({"validated": None}, None, "runbook validate"),
        ({"tag": "v2", "failed": "v2 failed in incident i"}, None, "runbook plan"),
        ({"note": NOTE}, None, "runbook rollback --to v1 --execute shop"),
        ({}, "gone", "runbook unlock"),
        ({}, "at work", "runbook status"),
    ],
)
def test_one_command_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], held: str | None, typed: str
) -> None:
    """The next command is for the lock first, then for an open rollback, then for a release that was not validated."""
    lock = None if held is None else SimpleNamespace(abandoned=held == "gone", holder=SimpleNamespace(incident="i"))
    monkeypatch.setattr(status, "_held", lambda _context: lock)
    monkeypatch.setattr(status, "_reason", lambda context: context.failed)
    said = status.following(production(**given), Path("runbook.toml"), tmp_path)
    assert said.startswith(f"next: {typed}\n")


def test_open_rollback_is_resumed_where_its_record_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open rollback whose record is here is resumed, with the given settings."""
    monkeypatch.setattr(status, "_held", lambda _context: None)
    (tmp_path / NOTE["incident"]).mkdir()
    (tmp_path / NOTE["incident"] / "journal.jsonl").touch()
    said = status.following(production(note=NOTE), Path("shop.toml"), tmp_path)
    assert f"rollback --resume {NOTE['incident']} --execute shop --settings shop.toml" in said


@pytest.mark.parametrize(("gate", "goes_on"), [("held", True), ("open", False)])
def test_emergency_that_left_traffic_held_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: str, *, goes_on: bool
) -> None:
    """A held emergency is resumed if its record is the newest and says that traffic is held."""
    monkeypatch.setattr(status, "_held", lambda _context: None)
    for name, words in (("20251217T030000Z-shop-emergency", "held"), ("20251218T030000Z-shop-emergency", gate)):
        journal = Journal(tmp_path / name / "journal.jsonl", Redactor())
        journal.write("opened", incident=name, type="emergency", mode="execute", project="shop")
        journal.write("fact", name="after", value={"gate": words})
        journal.close()
    said = status.following(production(gate="held"), Path("runbook.toml"), tmp_path)
    resume = "runbook emergency --resume 20251218T030000Z-shop-emergency --execute shop"
    assert said.startswith(f"next: {resume if goes_on else 'runbook plan'}\n")
    assert said.endswith("traffic is held")


def test_status_says_how_long_requests_wait() -> None:
    """If the gate holds, the status says how long a request waits."""
    asked: list[bool] = []
    answer = SimpleNamespace(seen="http://shop holds requests")
    gate = SimpleNamespace(state=lambda: "held", public_answer=lambda held: (asked.append(held), answer)[1])
    context = SimpleNamespace(gate=gate, settings=SimpleNamespace(traffic=SimpleNamespace(hold_seconds=20)))
    told = dict(status._of_traffic(context))  # type: ignore[arg-type]  # a part of it
    assert told["gate"] == "held: a request waits for 20 s at most, and is then refused"
    assert (told["users"], asked) == (answer.seen, [True])


def test_next_command_works_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths and notes with spaces or shell characters are quoted in the next command."""
    monkeypatch.setattr(status, "_held", lambda _context: None)
    hostile = production(note={"incident": "i", "target": "v1; rm -rf x"})
    said = status.following(hostile, Path("my shop.toml"), tmp_path)
    words = shlex.split(said.removeprefix("next: ").partition("\n")[0])
    assert words == [
        *("runbook", "rollback", "--to", "v1; rm -rf x", "--execute", "shop"), "--settings", "my shop.toml",
    ]  # fmt: skip


def test_status_shows_ages_and_what_is_not_known() -> None:
    """Ages have one unit, and a value that cannot be read has its reason."""
    assert [status._age(seconds) for seconds in (5, 600, 7200, 200000)] == ["5 s", "10 min", "2 h", "2 d"]
    assert status._or_why(raising(Inconclusive("no engine", ""))) == "not known: no engine"
    assert status._validated(production()) == ["v1 3 h ago"]
