"""The day's totals."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import DailyTotal, Order
from app.pricing import in_euro


def keep_totals(session: Session) -> None:
    """Count the orders of today and yesterday (in UTC) again, and keep the sums."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    orders: Counter[object] = Counter()
    cents: Counter[object] = Counter()
    for order in session.scalars(select(Order).where(Order.placed_at >= midnight - timedelta(days=1))):
        day = order.placed_at.astimezone(UTC).date()
        orders[day] += 1
        cents[day] += in_euro(order.item, order.quantity, "EUR")
    for day, count in orders.items():
        row = {"orders": count, "euro_cents": cents[day]}
        statement = insert(DailyTotal).values(day=day, **row)
        session.execute(statement.on_conflict_do_update(index_elements=["day"], set_=row))
