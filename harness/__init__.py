"""What makes pytest behave as a runbook."""
