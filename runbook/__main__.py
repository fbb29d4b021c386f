"""`python -m runbook`: list, show and check records, make their pages, judge migrations, read models, free a lock."""

import sys

from runbook.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
