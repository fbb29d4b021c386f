"""The configuration of a release: kept at its validation, compared before a rollback, and restored on request."""
