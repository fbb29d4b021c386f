"""One table."""

from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Thing(Base):
    """A thing."""

    __tablename__ = "things"
    id = Column(Integer, primary_key=True)
