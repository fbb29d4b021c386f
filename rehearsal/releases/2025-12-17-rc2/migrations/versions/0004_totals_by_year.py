"""The days' totals in partitions, one a year."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004_totals_by_year"
down_revision = "0003_heartbeats"
branch_labels = None
depends_on = None


def made_anew(**options: str) -> None:
    """Create the table anew beside the one that has the rows."""
    op.rename_table("daily_totals", "daily_totals_before")
    op.create_table(
        "daily_totals",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("orders", sa.Integer, nullable=False),
        sa.Column("euro_cents", sa.BigInteger, nullable=False),
        **options,
    )


def filled() -> None:
    """Bring the rows over."""
    op.execute("INSERT INTO daily_totals SELECT day, orders, euro_cents FROM daily_totals_before")
    op.drop_table("daily_totals_before")


def upgrade() -> None:
    """Put the totals into partitions: one of all years past, one of this year, and one of the coming year."""
    made_anew(postgresql_partition_by="RANGE (day)")
    year = datetime.now(UTC).year
    for name, begin, end in (
        ("past", "MINVALUE", f"'{year}-01-01'"),
        (year, f"'{year}-01-01'", f"'{year + 1}-01-01'"),
        (year + 1, f"'{year + 1}-01-01'", f"'{year + 2}-01-01'"),
    ):
        op.execute(f"CREATE TABLE daily_totals_{name} PARTITION OF daily_totals FOR VALUES FROM ({begin}) TO ({end})")
    filled()


def downgrade() -> None:
    """Put them into one table again."""
    made_anew()
    filled()
