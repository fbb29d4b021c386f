"""The configuration of a release: kept when it is validated, and compared before it is returned to."""
