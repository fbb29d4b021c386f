"""The commands of `python -m runbook`, one file per command."""
