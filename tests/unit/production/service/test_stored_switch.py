"""A kill switch in a secret store: set there and in its copy, its old value kept, and read inside containers."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from runbook.actions import Outcome
from runbook.errors import Inconclusive, StoreError
from runbook.hosts.command import Command
from runbook.hosts.http import HttpClient
from runbook.incident.executor import Executor, Mode
from runbook.production.env_file import EnvFileOnHost
from runbook.production.service.kill_switches import KillSwitch, Users
from runbook.production.service.stored_switch import mounts_of
from runbook.secrets.redactor import Redactor
from runbook.secrets.stores.commands import Commands
from runbook.secrets.stores.host_file import HostFile
from runbook.secrets.stores.store import Found, Store
from runbook.settings.application import SwitchSettings
from tests.support.incident_parts import COMPOSE, incident, production

EXPORTS = SwitchSettings(variable="EXPORT_MODE", paths=("/exports",))
WITHOUT, COPY = b"IMAGE_TAG=v3\n", b"IMAGE_TAG=v3\nEXPORT_MODE=on\n"


class Site:
    """A production whose switch is in the file `value`, with a fake docker that answers for its containers."""

    def __init__(  # noqa: PLR0913 - the differences between tests
        self,
        folder: Path,
        *,
        mode: Mode = Mode.EXECUTE,
        env: bytes = WITHOUT,
        inside: tuple[str, ...] = ("show",),
        answers: Mapping[str, str] | None = None,
        change: str = "cat > value",
        mounted: bool = False,
    ) -> None:
        self.folder = folder
        (folder / ".env").write_bytes(env)
        (folder / "value").write_text("on\n")
        self.incident: Executor = incident(folder, mode)
        self.production = site = production(folder, self.incident, answers)
        containers = [SimpleNamespace(id="c0ffee", name="shop-api-1", service="api")]
        for name, result in {
            "running_tag": "v2",
            "has_temporary_name": False,
            "of_services": containers,
            "containers": [],
            "services": {"api": {}},
        }.items():
            setattr(site, name, lambda *_, result=result, **__: result)
        command = Command((), 10, str(folder))
        store: Store = HostFile(str(folder / "value"), command, site.host)
        if not mounted:
            get, put = (Command(("sh", "-c", script), 10, str(folder)) for script in ("cat value", change))
            store = Commands(get, put, site.host)
        self.store = store
        settings = EXPORTS.model_copy(update={"inside": inside})
        env_file = EnvFileOnHost(site, str(folder / ".env"), Redactor(), ())
        users = Users(HttpClient(5, self.incident), "http://127.0.0.1:9", SecretStr("t"), 1)
        self.switch = KillSwitch(site, env_file, settings, users, on=False, store=store)

    def turn(self) -> Outcome:
        """Set the switch as a step does, and return the step's outcome."""
        self.incident.step_began({"id": "4.3.2", "keyword": "When", "text": "it is turned"}, may_change=True)
        self.incident.take(self.switch.set_in_place("i-1"), self.production.host)
        return self.incident.step_ended().outcome

    def journal(self) -> list[dict[str, object]]:
        lines = (self.folder / "journal.jsonl").read_text().splitlines()
        return [entry for entry in map(json.loads, lines) if entry["kind"] == "action"]


def test_set_in_the_store_and_recorded(tmp_path: Path) -> None:
    """The intent is recorded first, with the command to type; the old value is recorded and kept on the host."""
    site = Site(tmp_path)
    assert site.turn() is Outcome.PASSED
    assert (tmp_path / "value").read_text() == "off"
    begun, done = site.journal()
    assert begun["commands"] == ["printf %s off | sh -c 'cat > value'"]
    assert (begun["state"], begun["from"], begun["to"]) == ("begun", "on", "off")
    assert done["receipts"] == ["the output of `sh -c 'cat value'` says off, read back"]
    kept = tmp_path / ".runbook/i-1.EXPORT_MODE"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("on", 0o600)
    assert site.turn() is Outcome.PASSED
    assert site.journal()[-1]["state"] == "already so"
    assert kept.read_text() == "on"


def test_first_old_value_is_kept(tmp_path: Path) -> None:
    """The first old value is kept, even if the incident's next run finds the switch set back."""
    site = Site(tmp_path)
    (tmp_path / "value").write_text("maintenance\n")
    site.turn()
    (tmp_path / "value").write_text("on\n")
    site.turn()
    assert (tmp_path / "value").read_text() == "off"
    assert (tmp_path / ".runbook/i-1.EXPORT_MODE").read_text() == "maintenance"


def test_plan_changes_nothing(tmp_path: Path) -> None:
    """The plan reads the value and changes nothing."""
    site = Site(tmp_path, mode=Mode.PLAN)
    seen = site.switch.check_in_place().observe().seen
    assert seen.startswith("the output of `sh -c 'cat value'` says on; sh exists")
    assert site.turn() is Outcome.PLANNED
    assert (tmp_path / "value").read_text() == "on\n"
    assert not (tmp_path / ".runbook").exists()


def test_copy_in_the_env_file_is_set_too(tmp_path: Path) -> None:
    """The copy in the env file, which Compose reads, is set too."""
    site = Site(tmp_path, env=COPY)
    assert f"copy in the env file: {tmp_path}/.env says EXPORT_MODE=on" in site.switch.check_in_place().observe().seen
    site.turn()
    assert (tmp_path / "value").read_text() == "off"
    assert (tmp_path / ".env").read_bytes() == COPY.replace(b"=on", b"=off")
    change = site.switch.set_in_place("i-1")
    assert change.already() == f"the output of `sh -c 'cat value'` says off; {tmp_path}/.env says EXPORT_MODE=off"
    (tmp_path / ".env").write_bytes(COPY)
    assert change.already() is None


def test_another_value_is_secret(tmp_path: Path) -> None:
    """A value that is neither on nor off is written nowhere except into the copy on the host."""
    site = Site(tmp_path)
    (tmp_path / "value").write_text("s3cr3t-4711\n")
    site.turn()
    assert "s3cr3t" not in site.switch.check_in_place().observe().seen
    assert "s3cr3t" not in (tmp_path / "journal.jsonl").read_text()
    assert (tmp_path / ".runbook/i-1.EXPORT_MODE").read_text() == "s3cr3t-4711"


def test_other_value_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that accepts the new value but keeps the old one is an error."""
    monkeypatch.setattr("runbook.production.service.stored_switch._READ_BACK", 0.3)
    with pytest.raises(StoreError, match="but has another value"):
        Site(tmp_path, change="cat > elsewhere").turn()


@pytest.mark.parametrize("taken", [True, False])
def test_lost_answer_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, taken: bool) -> None:
    """After a lost answer the value is read again, and set once more only if it was not set."""
    site = Site(tmp_path)
    store = site.store
    whole, asked = store.set, list[str]()

    def lost(value: str, seen: Found) -> None:
        asked.append(value)
        if taken or len(asked) > 1:
            whole(value, seen)
        if len(asked) == 1:
            raise Inconclusive("no answer", "try again")

    monkeypatch.setattr(store, "set", lost)
    assert site.turn() is Outcome.PASSED
    assert (tmp_path / "value").read_text() == "off"
    assert len(asked) == (1 if taken else 2)


def test_containers_are_recreated_by_force(tmp_path: Path) -> None:
    """Containers from before the change are recreated by force, because Compose sees no change."""
    up = (*COMPOSE, "up", "-d", "--no-deps", "--no-build", "--pull", "never")
    switch = Site(tmp_path).switch
    assert switch.redeploy({}, {"c0ffee"}).commands[0].argv == ("env", "IMAGE_TAG=v2", *up, "--force-recreate", "api")
    assert switch.redeploy({}, {"another"}).commands[0].argv == ("env", "IMAGE_TAG=v2", *up, "api")


@pytest.mark.parametrize(
    ("answer", "good", "words"),
    [("off", True, "off"), ("on", False, "on"), ("s3cr3t-4711", False, "neither of the switch's two values")],
)
def test_seen_inside(tmp_path: Path, answer: str, *, good: bool, words: str) -> None:
    """The `inside` command is run in every container, and its output is compared with the switch."""
    site = Site(tmp_path, answers={"exec c0ffee show": f"{answer}\n"})
    found = site.switch.check_inside_containers().observe()
    assert (found.ok, found.seen) == (good, f"shop-api-1 sees {words}")
    assert "s3cr3t-4711" not in (tmp_path / "journal.jsonl").read_text()
    assert site.switch.check_reaches_containers().observe().ok


def test_nothing_shows_it_inside(tmp_path: Path) -> None:
    """Without an `inside` command, or with one that fails, the plan names the setting."""
    (tmp_path / "other").mkdir()
    found = Site(tmp_path / "other", inside=()).switch.check_reaches_containers()
    assert (found.observe().ok, "set its `inside`" in found.next_step) == (False, True)
    with pytest.raises(
        Inconclusive, match=r"`docker exec c0ffee show` ended with exit code 1 .* set the switch's `inside`"
    ):
        Site(tmp_path).switch.check_reaches_containers().observe()


def test_mounted_file_is_read_inside(tmp_path: Path) -> None:
    """The place where Compose mounts the file is known without a setting."""
    config = {
        "secrets": {"mode": {"file": f"{tmp_path}/value"}},
        "services": {"api": {"secrets": [{"source": "mode", "target": "export_mode"}]}},
    }
    answers = {"config --format json": json.dumps(config), "exec c0ffee cat /run/secrets/export_mode": "off\n"}
    site = Site(tmp_path, inside=(), answers=answers, mounted=True)
    assert site.switch.check_inside_containers().observe().seen == "shop-api-1 sees off"
    (tmp_path / "value").chmod(0o444)
    site.turn()
    assert ((tmp_path / "value").read_bytes(), (tmp_path / "value").stat().st_mode & 0o777) == (b"off\n", 0o444)


@pytest.mark.parametrize(
    ("service", "target"),
    [
        ({"secrets": [{"source": "mode"}]}, "/run/secrets/mode"),
        ({"secrets": [{"source": "mode", "target": "/etc/mode"}]}, "/etc/mode"),
        ({"configs": [{"source": "mode"}]}, "/mode"),
        ({"volumes": [{"type": "bind", "source": "/srv/$$x/mode", "target": "/mode.txt"}]}, "/mode.txt"),
        ({"volumes": [{"type": "bind", "source": "/srv/$$x", "target": "/run/settings/"}]}, "/run/settings/mode"),
        ({"volumes": [{"type": "bind", "source": "/srv/$$x/mo", "target": "/mode"}]}, None),
        ({"volumes": [{"type": "bind", "source": "/srv/other", "target": "/mode"}]}, None),
        ({"volumes": [{"type": "volume", "source": "mode", "target": "/mode"}]}, None),
        ({"secrets": [{"source": "other"}]}, None),
    ],
)
def test_mounts(service: dict[str, object], target: str | None) -> None:
    """Secrets, configs and bind mounts of that file are found, and no others."""
    kept = {"mode": {"file": "/srv/$$x/mode"}, "other": {"environment": "MODE"}}
    config = {"secrets": kept, "configs": kept, "services": {"api": service, "db": None}}
    assert mounts_of(config, "/srv/./$x/mode") == ({"api": target} if target else {})
