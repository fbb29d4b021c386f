"""What steps talk about: one production, one incident, and how both are acted on, checked and recorded."""

import sys

VERSION = "0.1.0"

# httpx has a command line, which nobody calls here: what it loads takes a tenth of a second at every start.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None is how Python is told to load nothing
