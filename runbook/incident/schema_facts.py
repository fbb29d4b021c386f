"""The facts about the schema: verdict, bridge, loss, restore point, restored database and failed migrations."""

from dataclasses import dataclass

from runbook.incident.production_facts import Fact


class VerdictFact(Fact):
    """The verdict on the migrations, with its evidence.

    `no_way_back` is the reason why the downgrade cannot lead back to the target's schema; empty if it may.
    `upgrade_sql` and `downgrade_sql` are the SQL that both ran on a copy of the schema, if the image could not print
    it; None otherwise, or if the SQL depends on rows (the copy has none). `no_bridge` is the reason why the schema
    cannot be relaxed for the target; empty if it can, or need not be. `forward_fix`: whether a forward-fix is
    possible; it is not with the application's own migration commands, and not before a deploy.
    """

    verdict: str
    evidence: tuple[str, ...] = ()
    no_way_back: str = ""
    no_bridge: str = ""
    forward_fix: bool = True
    upgrade_sql: str | None = None
    downgrade_sql: str | None = None


class Relaxed(Fact):
    """One rule of the schema that a bridge relaxes: `what` in words, and the SQL that lifts and restores it.

    `rows` is the query for rows that would prevent restoring it; empty if no row can.
    """

    what: str
    up: tuple[str, ...]
    down: tuple[str, ...]
    rows: str = ""


class Touched(Fact):
    """A catalog entry that a bridge changes: its detail without and with the bridge. None: the entry does not exist."""

    kind: str
    name: str
    without: str | None = None
    built: str | None = None


class Bridge(Fact):
    """The SQL that relaxes the schema for the target without touching a row, tried both ways on a copy."""

    relaxed: tuple[Relaxed, ...]
    touched: tuple[Touched, ...]

    @property
    def up(self) -> tuple[str, ...]:
        """The statements that build the bridge."""
        return tuple(sql for each in self.relaxed for sql in each.up)

    @property
    def down(self) -> tuple[str, ...]:
        """The statements that remove the bridge."""
        return tuple(sql for each in reversed(self.relaxed) for sql in each.down)

    @property
    def told(self) -> tuple[str, ...]:
        """The relaxed rules, in words."""
        return tuple(each.what for each in self.relaxed)


@dataclass(frozen=True)
class DatabaseState:
    """The database at one moment: its snapshot ID, and a hash over the rows of every table. Empty: unknown."""

    snapshot: str = ""
    rows: str = ""


@dataclass(frozen=True)
class Loss:
    """Data that would be lost. At most `rows` rows hold values in it now; None if the number is unknown.

    `what` names it in words, always the same for the same SQL.
    """

    what: str
    rows: int | None

    def __str__(self) -> str:
        return f"{self.what}: {'an unknown number of' if self.rows is None else self.rows} rows hold values"


class AcceptedLoss(Fact):
    """The loss that a person accepted by naming `revision`. `state` is set if a row count was unknown."""

    revision: str
    losses: tuple[Loss, ...]
    state: DatabaseState = DatabaseState()


class RestoreStep(Fact):
    """One step of a restore: its purpose and its command."""

    why: str
    command: str


class HowToRestore(Fact):
    """The steps that restore a dump beside the live database, and the steps that then replace the live database."""

    beside: tuple[RestoreStep, ...] = ()
    instead: tuple[RestoreStep, ...] = ()


class RestorePointFact(Fact):
    """A dump on the production host: path, size in bytes, SHA-256, and how to restore it."""

    path: str
    size: int
    sha256: str
    restore: HowToRestore = HowToRestore()
    state: DatabaseState = DatabaseState()


class RowsOf(Fact):
    """A table's row counts in the restored and in the former live database. None: the table does not exist there."""

    table: str
    restored: int | None
    before: int | None


class RestoredFact(Fact):
    """A dump that replaces the live database: the file, its revisions, and the name of the kept old database.

    `size` is in bytes; `made` is when the dump began, as pg_dump prints it. `rows` are counted after the swap. `start`
    is the command that serves users from it, `remove` the command that drops the kept database.
    """

    path: str
    sha256: str
    size: int | None = None
    made: str = ""
    database: str
    kept_as: str
    revisions: tuple[str, ...] = ()
    rows: tuple[RowsOf, ...] = ()
    start: str = ""
    remove: str = ""


class SchemaBefore(Fact):
    """The schema before a migration began: its revisions, and the rows of its catalog (kind, name, detail)."""

    revisions: tuple[str, ...]
    catalog: tuple[tuple[str, str, str], ...]


class HalfWay(Fact):
    """Where a failed migration stopped: the current revisions, where it began, and the revision it was to reach.

    `changed` are the differences from the catalog before it began, `missing` those from the schema it was to reach;
    None if unknown. `way_on` and `way_back` are commands.
    """

    direction: str
    revisions: tuple[str, ...]
    began: tuple[str, ...]
    to: str
    changed: tuple[str, ...] | None
    missing: tuple[str, ...] | None = None
    way_on: str = ""
    way_back: str = ""

    @property
    def untouched(self) -> bool:
        """Whether the schema is known to be as it was before the migration."""
        return self.changed == () and set(self.revisions) == set(self.began)

    @property
    def between_revisions(self) -> bool:
        """Whether the schema matches no revision: it has changed, or may have, but not the revisions."""
        return not self.untouched and set(self.revisions) == set(self.began)


class KeptRows(Fact):
    """The rows that a migration destroys, saved on the host in a file of SQL that puts them back.

    `kept` says what the file holds, `left_out` what only the restore point has, and why. `put_back` is the command.
    """

    path: str
    sha256: str
    kept: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    put_back: str = ""
