"""Columns of every kind that matters to an INSERT."""

import enum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Colour(enum.Enum):
    """A color."""

    RED = 1


class Odd(sa.types.UserDefinedType):
    """A type that cannot describe itself."""

    cache_ok = True

    def get_col_spec(self, **_options):
        """Fail."""
        raise ValueError("odd")


class Thing(Base):
    """A thing."""

    __tablename__ = "things"
    id = sa.Column(sa.Integer, primary_key=True)
    label = sa.Column(sa.String(20), nullable=False, server_default="none")
    renamed = sa.Column("in_the_database", sa.Numeric(10, 2), default=0)
    made = sa.Column(sa.DateTime(timezone=True), default=sa.func.now())
    colour = sa.Column(sa.Enum(Colour, name="colour"))
    extra = sa.Column(JSONB)
    tags = sa.Column(sa.ARRAY(sa.Text))
    number = sa.Column(sa.Integer, sa.Sequence("numbers"), nullable=False)
    identity = sa.Column(sa.Integer, sa.Identity())
    twice = sa.Column(sa.Integer, sa.Computed("number * 2"))
    filled = sa.Column(sa.Text, server_default=sa.FetchedValue(), nullable=False)
    odd = sa.Column(Odd)


class Link(Base):
    """A link in a separate schema, whose key is not filled automatically."""

    __tablename__ = "links"
    __table_args__ = {"schema": "other"}
    thing = sa.Column(
        sa.Integer,
        sa.ForeignKey("things.id", name="of_thing", ondelete="set  null", onupdate="CASCADE"),
        primary_key=True,
    )
    name = sa.Column(sa.String, primary_key=True, unique=True)


class Wrapped(sa.types.TypeDecorator):
    """An enum in a type of the application."""

    impl = sa.Enum("glad", "sad", name="mood", schema="other")
    cache_ok = True


class Keyed(Base):
    """Keys of several kinds. The last two indexes are not unique keys of plain columns."""

    __tablename__ = "keyed"
    id = sa.Column(sa.Integer, primary_key=True)
    mood = sa.Column(Wrapped, index=True)
    plain = sa.Column(sa.Enum("a", "b", native_enum=False))
    day = sa.Column(sa.Date, nullable=False)
    thing = sa.Column(sa.Integer)
    name = sa.Column(sa.String)
    __table_args__ = (
        sa.UniqueConstraint("day", "mood", name="one_a_day"),
        sa.ForeignKeyConstraint(["thing", "name"], ["other.links.thing", "other.links.name"], ondelete="CASCADE"),
        sa.Index("plain_key", "plain", unique=True),
        sa.Index("some", "day", unique=True, postgresql_where=sa.text("day IS NOT NULL")),
        sa.Index("computed", sa.func.lower(name), unique=True),
        {"postgresql_partition_by": "RANGE (day)"},
    )
