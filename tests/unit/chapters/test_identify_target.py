"""The target's digest: from the registry, or from the host's own copy where the registry cannot say."""

from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.identify_target import _pin, project_running
from runbook.errors import RegistryError, RegistryRefused, ReleaseNotFound
from runbook.release import ImageName
from runbook.shared_state.ledger import Candidate
from runbook.targets.registry import Registry
from tests.support.parts import Reply, asking, serving

HELD = "sha256:" + "4" * 64


def pin(reply: Reply, *, held: bool = True) -> tuple[str, str]:
    """Pin the api of a registry that answers everything with `reply`, on a host that may hold the image."""
    with serving(lambda _asked: reply) as server, asking() as prober:
        found = Registry(server.url, None, None, prober)
        image = ImageName(found.host, "shop/api", "v1")
        known = [f"{found.host}/shop/api@{HELD}"] if held else []
        context: Any = SimpleNamespace(registry=found, production=SimpleNamespace(digests_of=lambda _reference: known))
        return _pin(context, "api", image, Candidate("v1", {}, "by name"))


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(429, headers={"Retry-After": "60"}), id="too-many-requests"),
        pytest.param(Reply(503), id="down"),
        pytest.param(Reply(200), id="no-digest-and-no-manifest"),
        pytest.param(Reply(200, b"<html>"), id="a-page"),
        pytest.param(Reply(200, b"", {"Docker-Content-Digest": "?"}), id="garbage"),
    ],
)
def test_the_hosts_own_copy_counts_where_the_registry_gives_no_digest(reply: Reply) -> None:
    """A registry that is down or makes no sense stops nothing if the image is on the host."""
    digest, origin = pin(reply)
    assert digest == HELD
    assert "the host's own copy, because" in origin
    with pytest.raises(RegistryError, match="is not on the host"):
        pin(reply, held=False)


@pytest.mark.parametrize(("reply", "error"), [(Reply(401), RegistryRefused), (Reply(404), ReleaseNotFound)])
def test_what_the_registry_says_counts(reply: Reply, error: type[RegistryError]) -> None:
    """A registry that refuses, or has no such tag, has answered; the host's copy is not asked."""
    with pytest.raises(error):
        pin(reply)


@pytest.mark.parametrize(
    ("ended", "facts", "ok"),
    [
        pytest.param([], {}, True, id="all run"),
        pytest.param(["migrate"], {}, False, id="ended"),
        pytest.param(["api"], {"strategy": "downgrade"}, True, id="stopped by this incident"),
    ],
)
def test_service_that_has_ended_is_told_before_anything_is_changed(
    ended: list[str], facts: dict[str, str], *, ok: bool
) -> None:
    """Brought up on the target it would end again, behind the closed gate."""
    containers = [
        SimpleNamespace(one_line="shop-api-1 is running"),
        SimpleNamespace(one_line="shop-migrate-1 is exited"),
    ]
    context: Any = SimpleNamespace(
        production=SimpleNamespace(application=lambda: containers, ended=lambda _containers: ended),
        incident=SimpleNamespace(facts=facts),
        settings=SimpleNamespace(project=SimpleNamespace(name="shop")),
    )
    assert project_running(context).observe().ok is ok
