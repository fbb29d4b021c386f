"""`python -m runbook`: list, show and verify records, render pages, judge migrations, read models, release a lock."""

import sys

from runbook.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
