"""The target's configuration is restored: decided or refused before traffic is paused, then put in place."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import roll_back_application
from runbook.chapters.configuration import keeping, restored, restoring
from runbook.errors import EnvFileError, Inconclusive, ProductionError, RunbookError, TargetError
from runbook.incident.options import Options
from runbook.production.env_file import EnvFileOnHost
from runbook.production.invocation import Invocation
from runbook.release import Release
from runbook.settings.application import SwitchSettings
from runbook.settings.schema import Project
from runbook.shared_state.ledger import Ledger
from tests.support.incident_parts import READS_VALUES, incident, production
from tests.support.journal_schema import problems
from tests.support.notes import execute, release

SECRET = "s3cr3t-4711"
#: Compose files in JSON, so that a script can stand in for Compose.
THEN: dict[str, Any] = {"services": {"api": {"mem_limit": "256m"}, "jobs": {}, "db": {"image": "postgres"}}}
NOW: dict[str, Any] = {"services": {"api": {"mem_limit": "99m"}, "jobs": {}, "db": {"image": "postgres"}}}
ENV_THEN = f"IMAGE_TAG=v1\nEXPORT_MODE=on\nWORKERS=2\nAPI_TOKEN={SECRET}\n# of then\n"
ENV_NOW = "IMAGE_TAG=v2\nEXPORT_MODE=off\nWORKERS=8\nADDED=1\n"
BEFORE = {"at": "2025-12-18T03:00:00Z", "env_file": {"mode": "644", "owner": f"{os.geteuid()}:{os.getegid()}"}}
#: A fake Compose: prints its last file, with the images of the tag.
COMPOSE = """
import json, os, sys
words = sys.argv[1:]
if "config" not in words:
    sys.exit(print("2.40.3") if "version" in words else "no answer")
def after(option):
    return [words[n + 1] for n, word in enumerate(words) if word == option]
values = {}
for path in after("--env-file"):
    values |= dict(line.partition("=")[::2] for line in open(path).read().splitlines() if "=" in line)
values |= os.environ
found = json.load(open(after("-f")[-1]))
for name in ("api", "jobs"):
    tag = values["IMAGE_TAG"]
    found["services"].setdefault(name, {}).setdefault("image", f"registry.example/shop/{name}:{tag}")
    found["services"][name]["environment"] = {"EXPORT_MODE": values["EXPORT_MODE"], "WORKERS": values["WORKERS"]}
print(json.dumps(found))
"""


class Shop:
    """A production whose v1 was validated with the files THEN, and which has the files NOW."""

    def __init__(self, folder: Path, then: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.compose, self.env = folder / "docker-compose.yml", folder / ".env"
        self.write(then or THEN, ENV_THEN)
        self.context = self._context(Options(with_configuration=True))
        taken, copies = keeping.snapshot_of(self.context, release("v1"))
        execute(self.context.ledger.add(release("v1"), "i-1", None, {}, taken, copies=copies))
        self.write(NOW, ENV_NOW)

    def write(self, compose: dict[str, Any], env: str) -> None:
        self.compose.write_text(json.dumps(compose))
        self.env.write_text(env)

    def _context(self, options: Options) -> Any:
        found = incident(self.folder)
        site = production(self.folder, found)
        script = self.folder / "bin/compose.py"
        script.write_text(COMPOSE)
        (self.folder / "bin/docker").write_text(
            f'#!/bin/sh\ncase "$*" in *"-f - config"*) exec {READS_VALUES} "$@";;\nesac\n'
            f'exec {sys.executable} -I -S {script} "$@"\n'
        )
        site.invocation = Invocation(("docker-compose.yml",), (".env",))
        project = Project.model_validate({"name": "shop", "directory": str(self.folder), "env_file": ".env"})
        site.project = project
        redactor = found.journal.redactor
        switch = SwitchSettings.model_validate({"variable": "EXPORT_MODE", "paths": ["/exports"]})

        def ask(*_: object, **__: object) -> list[list[str]]:
            raise Inconclusive("the database does not answer", "look at it")

        return SimpleNamespace(
            incident=found,
            options=options,
            production=site,
            host=site.host,
            env_file=EnvFileOnHost(site, str(self.env), redactor, ()),
            settings=SimpleNamespace(project=project, switches={"exports": switch}),
            ledger=Ledger(site),
            database=SimpleNamespace(ask=ask),
        )

    def decide(self, target: Release | None = None) -> str:
        return restoring.decide(self.context, target or release("v1")).observe().seen

    def name_target(self) -> None:
        self.context.incident.record_fact("before", BEFORE)
        execute(roll_back_application.naming(self.context, release("v1")))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_default_is_the_images_alone(shop: Shop) -> None:
    """Without --with-configuration nothing is recorded, and only the tag in the env file changes."""
    shop.context.options = Options()
    assert shop.decide() == "only the images are rolled back"
    shop.context.incident.record_fact(
        "configuration drift",
        {"tag": "v1", "differences": [{"part": "env file", "key": "WORKERS", "how": "changed"}]},
    )
    assert shop.decide().endswith("; --with-configuration also restores the configuration")
    shop.name_target()
    assert (json.loads(shop.compose.read_text()), shop.env.read_text()) == (NOW, ENV_NOW.replace("v2", "v1"))
    assert restored.as_it_will_be(shop.context) is shop.context.production


def test_files_and_values_go_back_and_a_kill_switch_stays(shop: Shop) -> None:
    """Both files are restored to the byte, except for the kill switch's value; the replaced files are kept."""
    seen = shop.decide()
    assert "docker-compose.yml; env file: ADDED, API_TOKEN, WORKERS; EXPORT_MODE stays off" in seen
    assert shop.compose.read_text() == json.dumps(NOW)
    change = roll_back_application.naming(shop.context, release("v1"))
    shop.name_target()
    assert shop.compose.read_text() == json.dumps(THEN)
    assert shop.env.read_text() == ENV_THEN.replace("EXPORT_MODE=on", "EXPORT_MODE=off")
    kept = [Path(each.path) for each in change.leaves]
    assert [path.read_text() for path in kept] == [json.dumps(NOW), ENV_NOW]
    assert "docker-compose.yml is as when v1 was validated" in change.summary
    assert roll_back_application.named(shop.context, release("v1")).observe().seen.count("NOT") == 0
    again = roll_back_application.naming(shop.context, release("v1"))
    assert again.already() is not None
    assert again.commands == ()
    journal = shop.context.incident.journal.path
    # The fact of the state before has only what these tests need.
    assert [each for each in problems(journal) if "'containers' is a required" not in each] == []
    assert SECRET not in journal.read_text()
    for command in shop.context.incident.facts.configuration_to_restore.bring_back:
        subprocess.run(command, shell=True, check=True)  # noqa: S602 - a person types it in a shell
    assert (json.loads(shop.compose.read_text()), shop.env.read_text()) == (NOW, ENV_NOW)


def test_what_was_cut_short_is_gone_on_with(shop: Shop) -> None:
    """If a run is killed between the two files, the next run does not overwrite the copy of the first."""
    shop.decide()
    change = roll_back_application.naming(shop.context, release("v1"))
    compose_only = len(change.commands) // 2
    for command in change.commands[:compose_only]:
        shop.context.host.check(command)
    assert shop.compose.read_text() == json.dumps(THEN)
    shop.context.incident.changes_made.append("the tag is set")
    assert "docker-compose.yml" in shop.decide()
    shop.name_target()
    assert shop.env.read_text() == ENV_THEN.replace("EXPORT_MODE=on", "EXPORT_MODE=off")
    assert Path(change.leaves[0].path).read_text() == json.dumps(NOW)


def test_file_that_somebody_changes_meanwhile_stays(shop: Shop) -> None:
    """A file that somebody has changed since it was read is not overwritten."""
    shop.decide()
    change = roll_back_application.naming(shop.context, release("v1"))
    shop.compose.write_text("theirs")
    with pytest.raises(ProductionError, match="changed after it was read"):
        execute(change)
    assert (shop.compose.read_text(), shop.env.read_text()) == ("theirs", ENV_NOW)


def test_compose_is_asked_with_the_files_as_they_will_be(shop: Shop) -> None:
    """The dry run uses the copies, the project's directory, the target's tag and the current kill switch."""
    shop.decide()
    will = restored.as_it_will_be(shop.context)
    api = will.services("v1")["api"]
    assert (api["mem_limit"], api["environment"]) == ("256m", {"EXPORT_MODE": "off", "WORKERS": "2"})
    words = will.up_command(("api",), {}).argv
    assert words[:2] == ("env", "EXPORT_MODE=off")
    assert words[words.index("--project-directory") + 1] == str(shop.folder)
    assert shop.context.production.services("v1")["api"]["mem_limit"] == "99m"


def test_nothing_differs(tmp_path: Path) -> None:
    """If nothing differs, that is reported and nothing is restored."""
    shop = Shop(tmp_path)
    shop.write(THEN, ENV_THEN.replace("v1", "v2"))
    assert "nothing to restore" in shop.decide()
    shop.name_target()
    assert shop.env.read_text() == ENV_THEN


def forgets_the_copies(shop: Shop) -> None:
    for path in (shop.folder / ".runbook/release_files").iterdir():
        path.unlink()


def is_an_older_snapshot(shop: Shop) -> None:
    context = shop.context
    taken, _ = keeping.snapshot_of(context, release("v1"))
    assert not isinstance(taken, str)
    execute(context.ledger.add(release("v1"), "i-2", None, {}, taken.model_copy(update={"env_file": ""})))


def is_called_with_another_file(shop: Shop) -> None:
    (shop.folder / "more.yml").write_text(json.dumps(NOW))
    shop.context.production.invocation = Invocation(("docker-compose.yml", "more.yml"), (".env",))


def goes_on_without_it(shop: Shop) -> None:
    shop.context.incident.changes_made.append("traffic is paused")


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        pytest.param(forgets_the_copies, Inconclusive, "cannot be restored: .* cannot be read", id="copies-gone"),
        pytest.param(is_an_older_snapshot, Inconclusive, "no copies of its files were kept", id="older-snapshot"),
        pytest.param(
            is_called_with_another_file, ProductionError, r"now called with docker-compose\.yml, more\.yml",
            id="other-files",
        ),
        pytest.param(
            goes_on_without_it, TargetError, "began without --with-configuration and has already changed production",
            id="too-late",
        ),
    ],
)  # fmt: skip
def test_refused_before_anything_is_changed(
    shop: Shop, spoil: Callable[[Shop], None], error: type[RunbookError], words: str
) -> None:
    """A refusal says what was seen and what helps; no decision is recorded, and the env file stays."""
    spoil(shop)
    with pytest.raises(error, match=words) as caught:
        shop.decide()
    assert caught.value.next_step
    assert shop.context.incident.facts.configuration_to_restore is None
    assert shop.env.read_text() == ENV_NOW


@pytest.mark.parametrize(
    "then",
    [
        pytest.param({**THEN, "include": ["common.yml"]}, id="include"),
        pytest.param(
            {"services": {**THEN["services"], "api": {"extends": {"file": "base.yml", "service": "api"}}}}, id="extends"
        ),
    ],
)
def test_file_that_is_made_of_others(tmp_path: Path, then: dict[str, Any]) -> None:
    """A file that includes or extends others is refused, because those have no copies."""
    with pytest.raises(ProductionError, match=r"docker-compose\.yml includes or extends (common|base)\.yml"):
        Shop(tmp_path, then).decide()


def test_files_that_give_another_image(tmp_path: Path) -> None:
    """Files that would not run the pinned digest are refused."""
    then = {"services": {"api": {"image": "elsewhere.example/api:fixed"}, "jobs": {}}}
    with pytest.raises(RunbookError, match=r"cannot be restored: .*(elsewhere|IMAGE_TAG)"):
        Shop(tmp_path, then).decide()


def test_switch_that_the_env_file_of_then_does_not_know(tmp_path: Path) -> None:
    """An env file that does not set a current kill switch is refused, so that the switch is not lost."""
    shop = Shop(tmp_path)
    env = ENV_THEN.replace("EXPORT_MODE=on\n", "EXPORT_MODE=\n")
    shop.write(THEN, env)
    taken, copies = keeping.snapshot_of(shop.context, release("v1"))
    execute(shop.context.ledger.add(release("v1"), "i-1", None, {}, taken, copies=copies))
    shop.write(NOW, ENV_NOW)
    with pytest.raises(EnvFileError, match="does not set EXPORT_MODE, which is a kill switch now"):
        shop.decide()


def test_services_that_read_the_env_file_are_named(tmp_path: Path) -> None:
    """Services that read the env file are found from the Compose file, because no dry run shows them."""
    then = {"services": {**THEN["services"], "db": {"image": "postgres", "env_file": ["./.env"]}}}
    shop = Shop(tmp_path, then)
    shop.decide()
    assert restored.reading_env_file(shop.context) == {"db"}
