"""`python -m runbook`: one file a command."""
