"""The sources of releases besides the ledger, one file per source."""
