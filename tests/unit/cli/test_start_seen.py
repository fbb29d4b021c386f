"""The services and the gateway that `runbook init` finds in a running production."""

from types import SimpleNamespace
from typing import Any

import pytest

from runbook.cli.starting.seen import Seen, _follow_tag, _look_at_gateway
from runbook.cli.starting.writing import written


class Compose:
    """A Compose project with two services whose image uses TAG, and one without. `form` is the pattern of the image."""

    def __init__(self, form: str = "shop/{name}:{tag}") -> None:
        self._form = form

    def services(self, *, variables: dict[str, str] | None = None) -> dict[str, Any]:
        tag = (variables or {}).get("TAG", "v1")
        follow = {name: {"image": self._form.format(name=name, tag=tag)} for name in ("api", "jobs")}
        return {**follow, "db": {"image": "postgres"}}


def container(service: str, ports: dict[int, str] | None = None, **environment: str) -> Any:
    return SimpleNamespace(
        service=service, image_name=f"own/{service}:1", state="running", ports=ports or {}, environment=environment
    )


@pytest.mark.parametrize(
    ("state", "services"), [("running", ("api", "jobs")), ("restarting", ("api", "jobs")), ("exited", ("api",))]
)
def test_services_that_crash_in_a_loop_are_rolled_back_too(state: str, services: tuple[str, ...]) -> None:
    """A service that restarts in a loop is included. A service that exited is not, and is named in a comment."""
    seen = Seen("shop", "/srv/shop", ())
    seen.variables = ("TAG",)
    containers: Any = [SimpleNamespace(service=name, state="running") for name in ("api", "db")]
    containers.append(SimpleNamespace(service="jobs", state=state))
    production: Any = Compose()
    _follow_tag(production, seen, containers)
    assert (seen.tag_variable, seen.services) == ("TAG", services)
    assert seen.at_rest == tuple({"api", "jobs"} - {*services})
    assert seen.others == ("db",)
    if seen.at_rest:
        assert "# Not included, because none of their containers is running: jobs." in written(seen, "today")


@pytest.mark.parametrize(
    ("form", "services"),
    [
        ("127.0.0.1:5000/{name}:rel-{tag}-slim", ("api", "jobs")),
        ("127.0.0.1:5000/{name}:{tag}", ("api", "jobs")),
        ("127.0.0.1:5000/{tag}/{name}:1", ()),
        ("127.0.0.1:5000/{name}@sha256:{tag}", ()),
    ],
)
def test_tag_may_have_words_around_it(form: str, services: tuple[str, ...]) -> None:
    """The variable may be part of the image's tag, but not of its name or digest. A local registry gets an http URL."""
    seen = Seen("shop", "/srv/shop", ())
    seen.variables = ("TAG",)
    production: Any = Compose(form)
    _follow_tag(production, seen, [container(name) for name in ("api", "jobs", "db")])
    assert seen.services == services
    assert seen.registry == ("http://127.0.0.1:5000" if services else "")


@pytest.mark.parametrize(
    ("others", "gateway", "url"),
    [
        ([container("lb", {8080: "127.0.0.1:80"})], "lb", "http://127.0.0.1:80"),
        ([container("db", {5432: "127.0.0.1:5432"}, POSTGRES_USER="shop")], "", ""),
        ([container("mail", {8025: "127.0.0.1:8025"}), container("lb", {8080: "127.0.0.1:80"})], "", ""),
        ([container("mail", {8025: "127.0.0.1:8025"}), container("caddy", {80: "127.0.0.1:80"})], "caddy", "http://127.0.0.1:80"),
    ],
    ids=["under another name", "a database is none", "one of two", "by its name"],
)  # fmt: skip
def test_what_publishes_a_port_before_the_application_is_the_gateway(others: list[Any], gateway: str, url: str) -> None:
    """The only other service with a published port is the gateway, except a database. Of two, a known name decides."""
    seen = Seen("shop", "/srv/shop", ())
    seen.services = ("api", "jobs")
    _look_at_gateway(seen, [container("api"), container("jobs"), *others])
    assert (seen.gateway, seen.public_url) == (gateway, url)


def test_application_that_publishes_a_port_needs_no_gateway() -> None:
    """If the application publishes a port, no other service counts as the gateway."""
    seen = Seen("shop", "/srv/shop", ())
    seen.services = ("api",)
    ports = {8000: "127.0.0.1:8000"}
    _look_at_gateway(seen, [container("api", ports), container("mail", {8025: "127.0.0.1:8025"})])
    assert (seen.gateway, seen.public_url) == ("", "http://127.0.0.1:8000")
