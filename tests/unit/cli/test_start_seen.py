"""What `runbook init` takes for the services that follow the tag."""

from types import SimpleNamespace
from typing import Any

import pytest

from runbook.cli.starting.seen import Seen, _follow_tag


class Compose:
    """Two services whose image follows TAG, and one whose does not."""

    def services(self, *, variables: dict[str, str] | None = None) -> dict[str, Any]:
        tag = (variables or {}).get("TAG", "v1")
        return {"api": {"image": f"shop/api:{tag}"}, "jobs": {"image": f"shop/jobs:{tag}"}, "db": {"image": "postgres"}}


@pytest.mark.parametrize(
    ("state", "services"), [("running", ("api", "jobs")), ("restarting", ("api", "jobs")), ("exited", ("api",))]
)
def test_services_that_crash_in_a_loop_are_rolled_back_too(state: str, services: tuple[str, ...]) -> None:
    """One that ran to its end is not."""
    seen = Seen("shop", "/srv/shop", ())
    seen.variables = ("TAG",)
    containers: Any = [SimpleNamespace(service=name, state="running") for name in ("api", "db")]
    containers.append(SimpleNamespace(service="jobs", state=state))
    production: Any = Compose()
    _follow_tag(production, seen, containers)
    assert (seen.tag_variable, seen.services) == ("TAG", services)
