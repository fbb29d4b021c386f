"""`runbook restore-point`: list the dumps on the host, test one, or restore one."""
