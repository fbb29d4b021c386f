"""Kill switches: which one is chosen, how it is set, and what users then get."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.errors import EnvFileError, SettingsError
from runbook.hosts.command import Command
from runbook.hosts.http import HttpClient
from runbook.production.env_file import EnvFileOnHost
from runbook.production.service.kill_switches import KillSwitch, Users, choose, position_of
from runbook.secrets.redactor import Redactor
from runbook.settings.application import SwitchSettings
from tests.support.incident_parts import COMPOSE, incident, production
from tests.support.parts import Asked, Reply, serving

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
) -> KillSwitch:
    """Return a switch of a production that runs v2 while its env file names v3."""
    found = incident(folder)
    (folder / ".env").write_bytes(env)
    site = production(folder, found, answers)
    site.running_tag = lambda _services: "v2"  # type: ignore[method-assign]
    asked = site.services
    site.services = lambda tag=None, given=None: asked(tag, given) if given else {"api": {}}  # type: ignore[method-assign]
    site.containers = list  # type: ignore[method-assign]
    site.has_temporary_name = lambda _services: False  # type: ignore[method-assign]
    env_file = EnvFileOnHost(site, str(folder / ".env"), Redactor(), ())
    return KillSwitch(site, env_file, EXPORTS, Users(HttpClient(5, found), url, SecretStr(TOKEN), 1), on=on)


@pytest.mark.parametrize(("value", "state"), [("off", "off"), ("on", "on"), ("", "other"), ("(not set)", "other")])
def test_position_of_a_switch(value: str, state: str) -> None:
    """A switch's position has the state for the variable's value, the owner and the reminder."""
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
    """If the settings have one switch, it needs no name."""
    assert choose({"exports": EXPORTS}, asked_for) == name


@pytest.mark.parametrize(
    ("names", "asked_for", "words"),
    [
        (["exports", "mails"], None, "have these switches: exports, mails"),
        (["exports"], "export", r"no switch export in the settings \(there are: exports\)"),
        ([], None, "have these switches: none"),
    ],
)
def test_switch_that_is_not_clear(names: list[str], asked_for: str | None, words: str) -> None:
    """An unknown switch, or no name among several, is refused with the list of switches."""
    with pytest.raises(SettingsError, match=words):
        choose(dict.fromkeys(names, EXPORTS), asked_for)


def test_turning_changes_one_value(tmp_path: Path) -> None:
    """One value of the env file changes, every other byte stays, and a copy of the file is kept."""
    turned = switch(tmp_path)
    change = turned.set_in_env_file("i-1")
    assert change.summary == f"{tmp_path}/.env says EXPORT_MODE=off"
    assert change.already() is None
    assert [kept.path for kept in change.leaves] == [f"{tmp_path}/.runbook/i-1.env"]
    for action in change.commands:
        assert isinstance(action, Command)
        turned._production.host.check(action)
    assert (tmp_path / ".env").read_bytes() == ENV.replace(b"=on", b"=off")
    assert (tmp_path / ".runbook/i-1.env").read_bytes() == ENV
    assert change.already() == f"{tmp_path}/.env says EXPORT_MODE=off"


def test_variable_that_the_env_file_does_not_set(tmp_path: Path) -> None:
    """A variable that the env file does not set is refused, because production takes it from elsewhere."""
    with pytest.raises(EnvFileError, match="does not set EXPORT_MODE"):
        switch(tmp_path, env=b"IMAGE_TAG=v3\n").check_in_env_file().observe()


def test_redeployed_on_the_release_that_runs(tmp_path: Path) -> None:
    """The redeploy uses the running release's tag, not the env file's, and touches no other service."""
    change = switch(tmp_path).redeploy({"api": 1})
    assert [action.argv for action in change.commands] == [
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
    """Off means 404 or 410 for everybody (a 401 says nothing about the switch); on means that users are served."""

    def answer(asked: Asked) -> Reply:
        return Reply(user if asked.headers.get("authorization") == f"Bearer {TOKEN}" else stranger)

    with serving(answer) as server:
        turned = switch(tmp_path, on=on, url=server.url)
        felt = tuple(turned.check_user_paths(with_credentials=who).observe().ok for who in (False, True))
        assert {asked.path for asked in server.asked} == {"/exports", "/reports"}
    assert felt == ok


def test_one_address_that_still_answers_is_enough_to_fail(tmp_path: Path) -> None:
    """One path of the switch that still answers fails the check."""
    with serving(lambda asked: Reply(404 if asked.path == "/exports" else 200)) as server:
        seen = switch(tmp_path, url=server.url).check_user_paths(with_credentials=False).observe()
    assert (seen.ok, seen.seen) == (False, "/exports answers 404; /reports answers 200")


def config(**services: Any) -> str:
    return json.dumps({"name": "shop", "services": services})


def as_compose_reads(
    on: Mapping[str, Any], off: Mapping[str, Any], raw: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return what `docker compose config` prints with the switch on, with it off, and without interpolation."""
    # The fake docker uses the first key that its arguments contain.
    return {
        "--no-interpolate": config(**(raw or {})),
        "EXPORT_MODE=on": config(**on),
        "EXPORT_MODE=off": config(**off),
    }


def with_compose(folder: Path, answers: dict[str, str], settings: SwitchSettings = EXPORTS) -> KillSwitch:
    """Return a switch with these answers of Compose; `env` passes its variables to the fake docker."""
    turned = switch(folder, answers=answers)
    script = folder / "bin/docker"
    script.write_text(script.read_text().replace('case "$*" in', 'case "$* EXPORT_MODE=$EXPORT_MODE" in'))
    turned._settings, turned.services = settings, settings.services
    return turned


@pytest.mark.parametrize(
    ("on", "off", "raw", "words"),
    [
        pytest.param(
            {"environment": {"EXPORT_MODE": "on"}},
            {"environment": {"EXPORT_MODE": "off"}},
            {},
            "api: EXPORT_MODE",
            id="same-name",
        ),
        pytest.param(
            {"environment": {"EXPORTS": "mode=on", "A": "1"}},
            {"environment": {"EXPORTS": "mode=off", "A": "1"}},
            {},
            "api: EXPORTS",
            id="another-name-embedded",
        ),
        pytest.param(
            {"command": ["serve", "--exports=on"]},
            {"command": ["serve", "--exports=off"]},
            {},
            "api: its command",
            id="command",
        ),
        pytest.param(
            {"environment": {"EXPORT_MODE": "on"}},
            {"environment": {"EXPORT_MODE": "on"}},
            {"env_file": [{"path": "{folder}/.env", "required": True}], "environment": {"A": "1"}},
            "api: EXPORT_MODE",
            id="env-file-handed-over",
        ),
    ],
)
def test_switch_reaches_a_container(
    tmp_path: Path, on: Mapping[str, Any], off: Mapping[str, Any], raw: Mapping[str, Any], words: str
) -> None:
    """Compose is asked with both values, and the difference is what the switch reaches in the container."""
    raw = json.loads(json.dumps(raw).replace("{folder}", str(tmp_path)))
    found = (
        with_compose(tmp_path, as_compose_reads({"api": on}, {"api": off}, {"api": raw}))
        .check_reaches_containers()
        .observe()
    )
    assert (found.ok, found.seen) == (True, f"EXPORT_MODE reaches {words}")


@pytest.mark.parametrize(
    ("on", "off", "raw", "words"),
    [
        pytest.param({}, {}, {}, "no container of api", id="nowhere"),
        pytest.param(
            {"environment": {"EXPORT_MODE": "on"}},
            {"environment": {"EXPORT_MODE": "on"}},
            {"environment": {"EXPORT_MODE": "on"}, "env_file": [{"path": "{folder}/.env"}]},
            "no container of api",
            id="a-literal-before-the-env-file",
        ),
        pytest.param(
            {"environment": {"EXPORT_MODE": "on"}},
            {"environment": {"EXPORT_MODE": "on"}},
            {"env_file": ["other.env"]},
            "no container of api",
            id="another-env-file",
        ),
        pytest.param(
            {"labels": {"exports": "on"}},
            {"labels": {"exports": "off"}},
            {},
            "nothing of it can be seen inside",
            id="label",
        ),
    ],
)
def test_switch_that_reaches_no_container_is_told_in_the_plan(
    tmp_path: Path, on: Mapping[str, Any], off: Mapping[str, Any], raw: Mapping[str, Any], words: str
) -> None:
    """A switch that changes nothing visible in a container fails the plan."""
    raw = json.loads(json.dumps(raw).replace("{folder}", str(tmp_path)))
    found = (
        with_compose(tmp_path, as_compose_reads({"api": on}, {"api": off}, {"api": raw}))
        .check_reaches_containers()
        .observe()
    )
    assert not found.ok
    assert words in found.seen


def test_other_services_that_follow_the_switch_are_told(tmp_path: Path) -> None:
    """Other services that use the variable are reported: they keep the old value until the next `up`."""
    both = [{"environment": {"EXPORT_MODE": value}} for value in ("on", "off")]
    answers = as_compose_reads({"api": both[0], "jobs": both[0]}, {"api": both[1], "jobs": both[1]})
    found = with_compose(tmp_path, answers).check_reaches_containers().observe()
    assert found.ok
    assert "jobs too, which switches.….services leaves out" in found.seen


@pytest.mark.parametrize(
    ("environment", "argv", "ok"),
    [
        pytest.param({"EXPORTS": "mode=off $5"}, ("tini", "serve", "--exports=off"), True, id="as-it-is-to-be"),
        pytest.param({"EXPORTS": "mode=on $5"}, ("tini", "serve", "--exports=off"), False, id="old-value"),
        pytest.param({"EXPORT_MODE": "off"}, ("tini", "serve", "--exports=off"), False, id="not-set"),
        pytest.param({"EXPORTS": "mode=off $5"}, ("tini", "serve", "--exports=on"), False, id="old-command"),
    ],
)
def test_value_is_seen_inside(
    tmp_path: Path, environment: Mapping[str, str], argv: tuple[str, ...], *, ok: bool
) -> None:
    """The value counts if the container's own variables and command are as Compose would set them."""
    services = [
        {"environment": {"EXPORTS": f"mode={value} $$5"}, "command": ["serve", f"--exports={value}"]}
        for value in ("on", "off")
    ]
    turned = with_compose(tmp_path, as_compose_reads({"api": services[0]}, {"api": services[1]}))
    container = SimpleNamespace(service="api", name="shop-api-1", environment=environment, argv=argv)
    turned._production.of_services = lambda _services: [container]  # type: ignore[method-assign, assignment, list-item, return-value]  # a part of it
    found = turned.check_inside_containers().observe()
    assert found.ok is ok
    assert f"EXPORTS={environment.get('EXPORTS', '(not set)')}" in found.seen


def test_missing_credential_is_told_before_anything_is_turned(tmp_path: Path) -> None:
    """A missing credential is reported before the change: without it nobody can check what users get."""
    turned = switch(tmp_path)
    turned._users = replace(turned._users, credential=None)
    found = turned.check_observable().observe()
    assert (found.ok, found.seen) == (False, "the settings have no credential for its addresses")


@pytest.mark.parametrize(
    ("on", "env", "stranger", "user", "ok"),
    [
        pytest.param(False, ENV, 200, 200, True, id="leaks"),
        pytest.param(False, ENV, 401, 200, True, id="served to users"),
        pytest.param(False, ENV, 500, 500, True, id="broken"),
        pytest.param(False, ENV, 404, 200, True, id="one still answers"),
        pytest.param(False, ENV, 404, 404, False, id="refused already, with the switch on"),
        pytest.param(False, ENV.replace(b"=on", b"=off"), 404, 404, True, id="turned off already"),
        pytest.param(True, ENV.replace(b"=on", b"=off"), 404, 404, True, id="to be turned on"),
    ],
)
def test_addresses_are_asked_before_the_switch_is_turned(  # noqa: PLR0913 - the state, the answers and the result
    tmp_path: Path, env: bytes, stranger: int, user: int, *, on: bool, ok: bool
) -> None:
    """If all paths are refused while the switch is on, the check fails: a later refusal would prove nothing."""
    with serving(lambda asked: Reply(user if "authorization" in asked.headers else stranger)) as server:
        found = switch(tmp_path, on=on, url=server.url, env=env).check_observable().observe()
    assert found.ok is ok
    assert f"/exports answers {stranger} without credentials" in found.seen


def test_addresses_that_give_no_answer_do_not_stop_an_emergency(tmp_path: Path) -> None:
    """Paths without an answer are reported and do not fail the check."""
    found = switch(tmp_path).check_observable().observe()
    assert found.ok
    assert "/exports answers nothing with credentials" in found.seen
