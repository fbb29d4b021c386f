"""Columns of every kind that matters to an INSERT."""

import enum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Colour(enum.Enum):
    """A colour."""

    RED = 1


class Odd(sa.types.UserDefinedType):
    """A type that cannot say what it is."""

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
    """A link, in a schema of its own, whose key nobody fills."""

    __tablename__ = "links"
    __table_args__ = {"schema": "other"}
    thing = sa.Column(sa.Integer, sa.ForeignKey("things.id"), primary_key=True)
    name = sa.Column(sa.String, primary_key=True)
