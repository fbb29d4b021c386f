"""`runbook init`: inspect a running Compose project, and write a settings file for it."""
