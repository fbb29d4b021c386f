"""Prints on import, to every place that leads out of a container."""

import contextlib
import os
import sys

from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base

FAKE = '{"graph": {"versions": {}, "heads": ["fake"], "bases": [], "revisions": []}, "problems": []}'
print(FAKE)
sys.stderr.write(FAKE + "\n")
os.system(f"echo '{FAKE}'")
for place in ("/proc/1/fd/1", "/proc/1/fd/2", "/dev/stdout"):
    with contextlib.suppress(OSError), open(place, "w") as file:
        file.write(FAKE + "\n" + "x" * 100)

Base = declarative_base()


class Thing(Base):
    """A thing."""

    __tablename__ = "things"
    id = Column(Integer, primary_key=True)
