"""The tables as the code knows them."""

from datetime import date, datetime

from sqlalchemy import BigInteger, DateTime, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """What all tables share: the metadata that Alembic compares with the database."""


class Order(Base):
    """One order of a customer."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(String(200))
    item: Mapped[str] = mapped_column(String(200))
    quantity: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    placed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)


class DailyTotal(Base):
    """What was ordered on one day, in UTC."""

    __tablename__ = "daily_totals"
    __table_args__ = {"postgresql_partition_by": "RANGE (day)"}  # noqa: RUF012 - as SQLAlchemy reads it

    day: Mapped[date] = mapped_column(primary_key=True)
    orders: Mapped[int]
    euro_cents: Mapped[int] = mapped_column(BigInteger)


class Heartbeat(Base):
    """When a worker last finished its work."""

    __tablename__ = "heartbeats"

    worker: Mapped[str] = mapped_column(String(50), primary_key=True)
    beaten_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
