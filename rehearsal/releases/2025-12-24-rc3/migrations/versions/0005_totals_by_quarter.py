"""The coming year's totals by quarter."""

from collections.abc import Iterator
from datetime import UTC, datetime

from alembic import op

revision = "0005_totals_by_quarter"
down_revision = "0004_totals_by_year"
branch_labels = None
depends_on = None


def coming_year() -> int:
    """Return the year for which there is a partition, and no row yet."""
    return datetime.now(UTC).year + 1


def quarters(year: int) -> Iterator[tuple[str, str]]:
    """Yield the name and the bounds of each quarter's partition."""
    days = [f"{year}-01-01", f"{year}-04-01", f"{year}-07-01", f"{year}-10-01", f"{year + 1}-01-01"]
    for number in (1, 2, 3, 4):
        yield f"daily_totals_{year}_q{number}", f"FROM ('{days[number - 1]}') TO ('{days[number]}')"


def upgrade() -> None:
    """Put four partitions in the place of the coming year's, which is kept aside until nobody misses it."""
    year = coming_year()
    op.execute(f"ALTER TABLE daily_totals DETACH PARTITION daily_totals_{year}")
    for name, bounds in quarters(year):
        op.execute(f"CREATE TABLE {name} PARTITION OF daily_totals FOR VALUES {bounds}")


def downgrade() -> None:
    """Put the year's own partition back, with what was written to the quarters."""
    year = coming_year()
    for name, _ in quarters(year):
        op.execute(f"ALTER TABLE daily_totals DETACH PARTITION {name}")
        op.execute(f"INSERT INTO daily_totals_{year} SELECT * FROM {name}")  # noqa: S608 - our own names
        op.drop_table(name)
    bounds = f"FROM ('{year}-01-01') TO ('{year + 1}-01-01')"
    op.execute(f"ALTER TABLE daily_totals ATTACH PARTITION daily_totals_{year} FOR VALUES {bounds}")
