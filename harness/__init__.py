"""The harness that makes pytest behave as a runbook."""
