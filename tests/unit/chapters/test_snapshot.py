"""The snapshot of production: what runs, also if old and new containers exist after an interrupted switch."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.chapters import snapshot
from runbook.errors import Inconclusive
from runbook.incident.look_ahead import LooksAhead
from runbook.production.containers import Container
from runbook.production.service.gate_state import By
from runbook.production.service.traffic import PublicAnswer
from runbook.settings.application import SwitchSettings
from runbook.settings.database import MigrationSettings
from runbook.settings.secret_source import StoreAddress
from runbook.settings.stores import SwitchStore

NAME = "registry.example/shop/api"


def container(number: int, state: str, service: str = "api") -> Container:
    return Container(
        id=f"c{number}", name=f"shop-{service}-{number}", service=service, image_id=f"sha256:{number}",
        image_name=f"{NAME}:v{number}", state=state, health="none", restarts=0, started_at="",
        exit_code=0, addresses=(),
    )  # fmt: skip


def context(*containers: Container) -> Any:
    """The parts of a toolbox that a snapshot uses; image N has the digest of N."""
    asked: list[str] = []

    def digests_of(image: str) -> list[str]:
        asked.append(image)
        return [f"{NAME}@sha256:{image[-1] * 64}"]

    answers = {
        "running": lambda: list(containers), "digests_of": digests_of, "asked": asked,
        "rolled_back": ("api", "jobs"), "tag_of": lambda each: each.image_name.rpartition(":")[2],
    }  # fmt: skip
    file = SimpleNamespace(path="/srv/.env", fingerprint="f", mode="640", owner=0, group=0, values={})
    return SimpleNamespace(
        production=SimpleNamespace(**answers),
        settings=SimpleNamespace(
            project=SimpleNamespace(services=("api", "jobs"), tag_variable="IMAGE_TAG"),
            switches={},
            migrations=MigrationSettings(),
            database=True,
        ),
        incident=SimpleNamespace(ahead=LooksAhead()),
        env_file=SimpleNamespace(read=lambda: file),
        database=SimpleNamespace(revisions=lambda: ["0003"]),
        health=SimpleNamespace(readiness=dict),
        gate=SimpleNamespace(
            state=lambda: "open", public_answer=lambda **_: PublicAnswer("it answers 200", By.APPLICATION, 200)
        ),
        logs=SimpleNamespace(recent=lambda: SimpleNamespace(counts={})),
    )


def test_old_and_new_containers_have_their_own_digests() -> None:
    """Old and new containers keep their own digests, and the running one gives the service's digest."""
    for both in ((1, "running"), (2, "created")), ((2, "created"), (1, "running")):
        stands = [container(number, state) for number, state in both]
        taken = snapshot.take(context(*stands, container(3, "running", "db")))
        seen = {each.name: (each.tag, each.digest) for each in taken.containers}
        assert seen == {
            "shop-api-1": ("v1", "sha256:" + "1" * 64),
            "shop-api-2": ("v2", "sha256:" + "2" * 64),
            "shop-db-3": ("", ""),
        }
        assert taken.digests == {"api": "sha256:" + "1" * 64}
        assert taken.tags == ("v1", "v2")


def test_order_is_that_of_the_containers() -> None:
    """The state of a container does not change the order of requests, so plan and execution can be compared."""
    for states in (("running", "running"), ("running", "restarting"), ("restarting", "running")):
        api, jobs = (container(number, state) for number, state in enumerate(states, start=1))
        found = context(api, replace(jobs, service="jobs"))
        taken = snapshot.take(found)
        assert found.production.asked == ["sha256:1", "sha256:2"]
        assert list(taken.digests) == ["api", "jobs"]


@pytest.mark.parametrize(
    ("copy", "stored", "says"),
    [
        pytest.param("on", "off", "on", id="copy-in-the-env-file"),
        pytest.param(None, "off", "off", id="store"),
        pytest.param(None, "s3cr3t-4711", "(another value)", id="neither-value"),
        pytest.param(None, None, "(unknown)", id="no-answer"),
    ],
)
def test_switch_in_a_store(copy: str | None, stored: str | None, says: str) -> None:
    """The env file's copy counts first; a stored value that is neither on nor off is not shown, as it may be secret."""

    def read(_: StoreAddress) -> SecretStr:
        if stored is None:
            raise Inconclusive("no answer", "vault status")
        return SecretStr(stored)

    found = context(container(1, "running"))
    switch = SwitchSettings(variable="EXPORT_MODE", paths=("/exports",), store=SwitchStore(ssm="/shop/EXPORT_MODE"))
    found.settings.switches, found.stores = {"exports": switch}, SimpleNamespace(read=read)
    if copy:
        found.env_file.read().values["EXPORT_MODE"] = copy
    assert snapshot.take(found).switches["exports"].value == says
