"""The incidents that can be rehearsed: which release is live, which one goes wrong, and how users notice."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from rehearsal.errors import RehearsalError
from rehearsal.practice import Practice

LIVE = "2025-12-15-rc1"


@dataclass(frozen=True)
class Incident:
    """A release that goes wrong over a live one.

    `wait_for_symptom` waits until users meet the fault, and raises RehearsalError when they do not.
    """

    name: str
    story: str
    live: str
    failed: str
    wait_for_symptom: Callable[[Practice], None]

    def plant(self, practice: Practice, validate: Callable[[Practice], None]) -> None:
        """Raise the live release, `validate` it, deploy the failed one over it, and wait for the fault to show."""
        practice.raise_up(self.live)
        validate(practice)
        practice.deploy(self.failed)
        self.wait_for_symptom(practice)
        practice.stages(f"the fault shows: {self.story}")


def orders_fail_and_jobs_die(practice: Practice) -> None:
    """Wait until orders answer 500 and readiness says that the jobs are gone; at most 30 seconds."""

    def look() -> str | None:
        orders, readiness = practice.ask("/orders"), practice.ask("/readyz")
        if orders.status_code != httpx.codes.INTERNAL_SERVER_ERROR:
            return f"/orders: {orders.status_code}"
        if readiness.status_code != httpx.codes.SERVICE_UNAVAILABLE or readiness.json()["jobs"]:
            return f"/readyz: {readiness.status_code} {readiness.text[:200]}"
        return None

    practice.wait_for(look, "/orders answering 500 and /readyz 503 for want of jobs", 30)


INCIDENTS = {
    incident.name: incident
    for incident in (
        Incident(
            name="regression",
            story="orders answer 500 and the jobs crash in a loop; no migration is involved",
            live=LIVE,
            failed="2025-12-18-rc1",
            wait_for_symptom=orders_fail_and_jobs_die,
        ),
    )
}


def find_incident(name: str) -> Incident:
    """Return an incident by its name; raise RehearsalError with the names that there are."""
    if name not in INCIDENTS:
        raise RehearsalError(f"no incident is called {name!r}; there are: {', '.join(INCIDENTS)}")
    return INCIDENTS[name]
