"""The judgment on whether the target's code can live with the schema that the failed release left.

It can if it can still read and write its mapped tables as an ORM does: it selects and inserts the mapped columns, and
leaves the others to the database. docs/verdict.md has every rule.
"""

from collections.abc import Callable, Mapping

from runbook.migrations.image.mapped_models import Models
from runbook.migrations.verdict.compat.tables import judge_tables
from runbook.migrations.verdict.compat.types import enums_of, judge_types
from runbook.migrations.verdict.ddl.dispatch import folded
from runbook.migrations.verdict.findings import REVIEW, Assessment, Finding, concluded
from runbook.migrations.verdict.schema_delta import SchemaDelta
from runbook.migrations.verdict.statements import shortened, statements_of
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name


def as_it_is(_delta: SchemaDelta) -> None:
    """Leave the net change as it is."""


def judge(  # noqa: PLR0913 - the facts about the database are keyword arguments
    upgrade_sql: str,
    models: Models | None,
    dialect: str = "postgresql",
    *,
    bookkeeping: Name = BOOKKEEPING,
    partitions: Mapping[Name, Name] | None = None,
    without: Callable[[SchemaDelta], None] = as_it_is,
) -> Assessment:
    """Judge a range of migrations, given as the SQL of its upgrades, as one net change.

    `models` is what the target's code maps, or None if that could not be read. Without it, much more is `review`.
    `bookkeeping` is Alembic's version table. `partitions` has the parent table of each of the database's current
    partitions, or is None if the database was not asked. `without` removes from the net change what does not count.
    Never raises, whatever the SQL: a part that cannot be read is a finding.

    >>> judge("CREATE TABLE coupons (id serial PRIMARY KEY)", None).verdict.value
    'additive'
    >>> print(judge("DROP TABLE orders", None).evidence[0].partition(";")[0])
    orders: it is dropped, which breaks code that uses it
    """
    if dialect != "postgresql":
        if not upgrade_sql.strip():
            return concluded(())
        reason = f"there are rules only for PostgreSQL's SQL, and this is {shortened(dialect, 40)}"
        return concluded([Finding(REVIEW, shortened(upgrade_sql), "SQL", reason)])
    delta = folded(statements_of(upgrade_sql), bookkeeping)
    delta.partitions = partitions
    delta.plain_types |= enums_of(models)
    without(delta)
    of_types = judge_types(delta, models)
    return concluded((*delta.findings, *delta.made.values(), *of_types, *judge_tables(delta, models)))
