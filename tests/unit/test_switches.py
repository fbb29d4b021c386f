"""Kill switches: which one, how it is turned, and when users feel it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from runbook.env_file import EnvFileOnHost
from runbook.errors import EnvFileError, Inconclusive, SettingsError
from runbook.host import Command
from runbook.incident.redaction import Redactor
from runbook.probes import Prober
from runbook.settings import SwitchSettings
from runbook.switches import Switch, Users, choose, position_of
from tests.unit.incident_parts import COMPOSE, incident, production
from tests.unit.parts import Asked, Reply, serving

EXPORTS = SwitchSettings(variable="EXPORT_MODE", paths=("/exports", "/reports"))
ENV = b"# mind the export!\r\nIMAGE_TAG=v3\r\nEXPORT_MODE=on\r\n"
TOKEN = "user-token-4711"


def switch(
    folder: Path,
    *,
    on: bool = False,
    url: str = "http://127.0.0.1:9",
    answers: Mapping[str, str] | None = None,
    env: bytes = ENV,
) -> Switch:
    """A switch of a production that runs v2 while its env file names v3."""
    found = incident(folder)
    (folder / ".env").write_bytes(env)
    site = production(folder, found, answers)
    site.running_tag = lambda _services: "v2"  # type: ignore[method-assign]
    site.half_replaced = lambda _services: False  # type: ignore[method-assign]
    env_file = EnvFileOnHost(site, str(folder / ".env"), Redactor(), ())
    return Switch(site, env_file, EXPORTS, Users(Prober(5, found), url, SecretStr(TOKEN), 1), on=on)


@pytest.mark.parametrize(("value", "state"), [("off", "off"), ("on", "on"), ("", "other"), ("(not set)", "other")])
def test_position_of_a_switch(value: str, state: str) -> None:
    """What the variable's value means, with who turns it on again and when to be reminded."""
    exports = EXPORTS.model_copy(update={"owner": "orders team", "remind_after": "2d"})
    assert position_of(exports, value) == {
        "variable": "EXPORT_MODE",
        "value": value,
        "state": state,
        "owner": "orders team",
        "remind_after": "2d",
    }


@pytest.mark.parametrize(("asked_for", "name"), [(None, "exports"), ("exports", "exports")])
def test_the_only_switch_needs_no_name(asked_for: str | None, name: str) -> None:
    """With one switch in the settings it is that one."""
    assert choose({"exports": EXPORTS}, asked_for) == name


@pytest.mark.parametrize(
    ("names", "asked_for", "words"),
    [
        (["exports", "mails"], None, "name these switches: exports, mails"),
        (["exports"], "export", r"no switch export in the settings \(there are: exports\)"),
        ([], None, "name these switches: none"),
    ],
)
def test_switch_that_is_not_clear(names: list[str], asked_for: str | None, words: str) -> None:
    """A switch that no setting names, or no name among several, is refused with those that there are."""
    with pytest.raises(SettingsError, match=words):
        choose(dict.fromkeys(names, EXPORTS), asked_for)


def test_turning_changes_one_value(tmp_path: Path) -> None:
    """One value of the env file changes, every other byte stays, and a copy of the file is kept."""
    turned = switch(tmp_path)
    change = turned.turning("i-1")
    assert change.summary == f"{tmp_path}/.env says EXPORT_MODE=off"
    assert change.already() is None
    assert [kept.path for kept in change.leaves] == [f"{tmp_path}/.runbook/i-1.env"]
    for action in change.actions:
        assert isinstance(action, Command)
        turned._production.host.check(action)
    assert (tmp_path / ".env").read_bytes() == ENV.replace(b"=on", b"=off")
    assert (tmp_path / ".runbook/i-1.env").read_bytes() == ENV
    assert change.already() == f"{tmp_path}/.env says EXPORT_MODE=off"


def test_variable_that_the_env_file_does_not_set(tmp_path: Path) -> None:
    """Production takes it from elsewhere then, and nothing is guessed."""
    with pytest.raises(EnvFileError, match="does not set EXPORT_MODE"):
        switch(tmp_path, env=b"IMAGE_TAG=v3\n").set_in_env_file().look()


def test_redeployed_on_the_release_that_runs(tmp_path: Path) -> None:
    """The command carries the running release's tag, whatever the env file's is, and touches no other service."""
    change = switch(tmp_path).redeploying()
    assert [action.argv for action in change.actions if isinstance(action, Command)] == [
        ("env", "IMAGE_TAG=v2", *COMPOSE, "up", "-d", "--no-deps", "--no-build", "--pull", "never", "api")
    ]


@pytest.mark.parametrize(
    ("on", "stranger", "user", "ok"),
    [
        pytest.param(False, 404, 404, (True, True), id="off, and off for all"),
        pytest.param(False, 410, 404, (True, True), id="off, gone"),
        pytest.param(False, 401, 200, (False, False), id="off, and only strangers are refused"),
        pytest.param(False, 404, 200, (True, False), id="off, and users still served"),
        pytest.param(False, 500, 500, (False, False), id="off, and broken"),
        pytest.param(True, 401, 200, (True, True), id="on"),
        pytest.param(True, 404, 404, (False, False), id="on, and still off"),
        pytest.param(True, 500, 500, (False, False), id="on, and broken"),
    ],
)
def test_users_feel_the_switch(tmp_path: Path, *, on: bool, stranger: int, user: int, ok: tuple[bool, bool]) -> None:
    """Off is 404 or 410 for everybody: a 401 says who asks, not what is on; on means that users are served."""

    def answer(asked: Asked) -> Reply:
        return Reply(user if asked.headers.get("authorization") == f"Bearer {TOKEN}" else stranger)

    with serving(answer) as server:
        turned = switch(tmp_path, on=on, url=server.url)
        felt = tuple(turned.felt_by_users(with_credentials=who).look().ok for who in (False, True))
        assert {asked.path for asked in server.asked} == {"/exports", "/reports"}
    assert felt == ok


def test_one_address_that_still_answers_is_enough_to_fail(tmp_path: Path) -> None:
    """Every address of the switch must follow it."""
    with serving(lambda asked: Reply(404 if asked.path == "/exports" else 200)) as server:
        seen = switch(tmp_path, url=server.url).felt_by_users(with_credentials=False).look()
    assert (seen.ok, seen.seen) == (False, "/exports answers 404; /reports answers 200")


def test_value_inside_that_cannot_be_read(tmp_path: Path) -> None:
    """A container without printenv, or a dead one, is inconclusive and never the right value."""
    turned = switch(tmp_path)
    container = type("Gone", (), {"id": "c1", "name": "shop-api-1"})()
    script = tmp_path / "bin/docker"
    script.write_text("#!/bin/sh\necho 'container c1 is not running' >&2; exit 126\n")
    with pytest.raises(Inconclusive, match="is not running"):
        turned._value_inside(container)
