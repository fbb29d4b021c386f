"""`runbook restore-point`: the dumps on the host, one of them tried, and what restores it."""
