"""One table, and a log file."""

import logging

from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base

logging.basicConfig(filename="/srv/writes/application.log")

Base = declarative_base()


class Thing(Base):
    """A thing."""

    __tablename__ = "things"
    id = Column(Integer, primary_key=True)
