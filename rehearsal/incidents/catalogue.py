"""The incidents that can be rehearsed: the live release, the failing release, and how the runbook must end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rehearsal.errors import RehearsalError
from rehearsal.incidents import symptoms
from rehearsal.incidents.database import columns, content_hash, sql
from rehearsal.incidents.user_load import Load
from rehearsal.practice_production import PracticeProduction

LIVE = "2025-12-15-rc1"
KEPT = "orders"  # the table that only customers write to
# Only the release with notes accepts these orders, and accepts each of these customers once.
NEW_CUSTOMERS: tuple[dict[str, object], ...] = (
    {"customer": "Eve", "item": "grinder", "quantity": 1, "currency": "EUR", "note": "a present: no bill, please"},
    {"customer": "Fynn", "item": "coffee", "quantity": 6, "currency": "CHF", "note": "ring at the back door"},
    {"customer": "Gül", "item": "mug", "quantity": 2, "currency": "GBP"},
)


class End(StrEnum):
    """How a rehearsal must end."""

    ROLLED_BACK = "rolled back"
    HELD = "held"
    FIXED_FORWARD = "fixed forward"
    SWITCHED_OFF = "switched off"
    #: After changes: the run says what state production is in, and how to continue or go back.
    STOPPED = "stopped"


@dataclass(frozen=True)
class Planted:
    """The data that a planted incident left in the database, for the checks of the end.

    `columns`      the columns of `orders` that the live release knows
    `last_id`      the last order before the failed deploy
    `content`      the content hash of all orders at that time, over those columns
    `placed`       the orders that the failed release took, as it answered them
    """

    columns: tuple[str, ...]
    last_id: int
    content: str
    placed: tuple[Mapping[str, Any], ...]

    @property
    def before(self) -> str:
        """The SQL condition for the orders from before the failed deploy."""
        return f"id <= {self.last_id}"

    def content_now(self, practice: PracticeProduction, *, database: str = "shop") -> str:
        """Return the current content hash of the orders from before. It equals `content` if all are unchanged."""
        return content_hash(practice, KEPT, self.columns, where=self.before, database=database)


@dataclass(frozen=True)
class Incident:
    """A release that fails, deployed over a live one.

    `wait_for_symptom` waits until users meet the fault, and raises RehearsalError if they do not. `arguments` are
    what a person would add to `pytest features` for it; `expected` is how that must end. `orders` are placed by
    customers while the failed release is live. `fix` is the release that corrects it, in the registry and not
    deployed. `asked_for` is the path that strangers request meanwhile. `held_at` is the step at which the run must
    be held or stop.
    """

    name: str
    story: str
    live: str
    failed: str
    wait_for_symptom: Callable[[PracticeProduction], None]
    expected: End = End.ROLLED_BACK
    arguments: tuple[str, ...] = ()
    orders: Sequence[dict[str, object]] = ()
    fix: str | None = None
    asked_for: str | None = None
    held_at: str = ""

    def plant(self, practice: PracticeProduction, validate: Callable[[PracticeProduction], None]) -> Planted:
        """Deploy the live release, `validate` it, and deploy the failing one. Raises RehearsalError."""
        practice.raise_up(self.live)
        validate(practice)
        return self.break_production(practice)

    def break_production(self, practice: PracticeProduction) -> Planted:
        """Deploy the failed release over the live one, and wait for the fault to show. Raises RehearsalError."""
        known = tuple(columns(practice, KEPT))
        last_id = int(sql(practice, f"SELECT max(id) FROM {KEPT}")[0])  # noqa: S608 - our own name
        content = content_hash(practice, KEPT, known)
        practice.deploy(self.failed)
        placed: list[dict[str, Any]] = []
        if self.orders:
            practice.wait_ready(self.failed)
            placed = practice.place_orders(self.orders)
        self.wait_for_symptom(practice)
        practice.stages(f"the fault shows: {self.story}")
        if self.fix:
            practice.publish(self.fix)
        return Planted(known, last_id, content, tuple(placed))

    @contextmanager
    def strangers(self, practice: PracticeProduction) -> Iterator[Load | None]:
        """Request `asked_for` 20 times a second inside a with-block. Yields the load, which counts the answers."""
        if self.asked_for is None:
            yield None
            return
        with Load(practice.gateway_url + self.asked_for, per_second=20, here=practice.address) as load:
            yield load
        practice.stages(f"{self.asked_for} was requested by strangers: {load}")


INCIDENTS = {
    incident.name: incident
    for incident in (
        Incident(
            name="regression",
            story="orders answer 500 and the jobs crash in a loop; no migration is involved",
            live=LIVE,
            failed="2025-12-18-rc1",
            wait_for_symptom=symptoms.orders_fail_and_jobs_die,
        ),
        Incident(
            name="additive-migration",
            story="orders answer 500; the release added a nullable column and a table, which can stay",
            live=LIVE,
            failed="2025-12-19-rc1",
            wait_for_symptom=symptoms.orders_fail,
        ),
        Incident(
            name="asking-migration",
            story="orders answer 500; the migration read the schema and counted rows, so its SQL is not known ahead",
            live=LIVE,
            failed="2025-12-24-rc1",
            wait_for_symptom=symptoms.orders_fail,
        ),
        Incident(
            name="breaking-migration",
            story="known customers cannot order again; a column of orders was moved and one was renamed",
            live=LIVE,
            failed="2025-12-20-rc1",
            wait_for_symptom=symptoms.known_customers_are_refused,
            arguments=("--accept-loss", "0004_customers"),
            orders=NEW_CUSTOMERS,
        ),
        Incident(
            name="irreversible-migration",
            story="orders in pounds, francs and dollars show in euro; the currency column was dropped, irreversibly",
            live=LIVE,
            failed="2025-12-21-rc1",
            wait_for_symptom=symptoms.currencies_are_lost,
            expected=End.HELD,
            held_at="a downgrade() for every revision to undo",
        ),
        Incident(
            name="export-leak",
            story="the export of orders answers without credentials, and strangers request it 20 times a second",
            live=LIVE,
            failed="2025-12-22-rc1",
            wait_for_symptom=symptoms.export_leaks,
            expected=End.SWITCHED_OFF,
            arguments=("-m", "emergency"),
            asked_for=symptoms.EXPORT,
        ),
        Incident(
            name="forward-fix",
            story="known customers cannot order again; a release that fixes this is in the registry",
            live=LIVE,
            failed="2025-12-20-rc1",
            wait_for_symptom=symptoms.known_customers_are_refused,
            expected=End.FIXED_FORWARD,
            arguments=("--forward-fix", "2025-12-20-rc2"),
            orders=NEW_CUSTOMERS,
            fix="2025-12-20-rc2",
        ),
        Incident(
            name="half-way-downgrade",
            story="known customers cannot order again; the downgrade commits each statement, and fails half way",
            live=LIVE,
            failed="2025-12-23-rc1",
            wait_for_symptom=symptoms.known_customers_are_refused,
            expected=End.STOPPED,
            arguments=("--accept-loss", "0004_customers"),
            orders=NEW_CUSTOMERS,
            held_at="the schema is downgraded with the image of the failed release",
        ),
        Incident(
            name="undone-downgrade",
            story="known customers cannot order again; the downgrade fails in its second statement, and is rolled back",
            live=LIVE,
            failed="2025-12-23-rc2",
            wait_for_symptom=symptoms.known_customers_are_refused,
            expected=End.STOPPED,
            arguments=("--accept-loss", "0004_customers"),
            orders=NEW_CUSTOMERS,
            held_at="the schema is downgraded with the image of the failed release",
        ),
        Incident(
            name="offline-refused",
            story="known customers cannot order again; env.py refuses offline mode, so only a trial shows its effect",
            live="2025-12-17-rc1",
            failed="2025-12-24-rc2",
            wait_for_symptom=symptoms.known_customers_are_refused,
            arguments=("--accept-loss", "0004_customers"),
            orders=NEW_CUSTOMERS,
        ),
        Incident(
            name="partitioned",
            story="orders answer 500 and the jobs crash in a loop; a partition was detached, and four replaced it",
            live="2025-12-17-rc2",
            failed="2025-12-24-rc3",
            wait_for_symptom=symptoms.orders_fail_and_jobs_die,
        ),
        Incident(
            name="migrate-on-boot",
            story="orders answer 500; the target migrates at start, and cannot start on the newer schema",
            live="2025-12-16-rc1",
            failed="2025-12-19-rc2",
            wait_for_symptom=symptoms.orders_fail,
            expected=End.HELD,
            held_at="the target can start on the current schema",
        ),
    )
}


def find_incident(name: str) -> Incident:
    """Return the incident of that name. Raises RehearsalError, with the known names, if there is none."""
    if name not in INCIDENTS:
        raise RehearsalError(f"no incident is named {name!r}; known: {', '.join(INCIDENTS)}")
    return INCIDENTS[name]
