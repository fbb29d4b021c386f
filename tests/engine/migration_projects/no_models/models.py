"""Does not import the modules with the tables."""

from sqlalchemy.orm import declarative_base

Base = declarative_base()
