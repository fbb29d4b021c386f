"""Where releases are found, besides the ledger: one file a source."""
