"""The rollback runbook's own knowledge: acting on a Docker Compose production, checking it, recording it."""

VERSION = "0.1.0"
