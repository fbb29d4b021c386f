"""The domain of the runbook's steps: one production and one incident, and how to change, check and record them."""

import sys

VERSION = "0.1.0"

# httpx imports its command line, which is not used here and costs 0.1 s at every start.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None is how Python is told to load nothing
