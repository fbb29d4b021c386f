"""`runbook init`: what is seen of a running Compose project, and the settings file that is made of it."""
