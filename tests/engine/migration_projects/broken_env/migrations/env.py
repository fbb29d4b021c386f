"""Needs a variable, and quotes it when it is of no use."""

import os

from alembic import context

url = os.environ["DATABASE_URL"]
raise RuntimeError(f"cannot reach {url}")
context.configure(url=url)
