"""Needs a variable, and quotes its value in an error."""

import os

from alembic import context

url = os.environ["DATABASE_URL"]
raise RuntimeError(f"cannot reach {url}")
context.configure(url=url)
