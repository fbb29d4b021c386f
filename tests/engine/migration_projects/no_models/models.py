"""The modules with the tables are not imported here."""

from sqlalchemy.orm import declarative_base

Base = declarative_base()
