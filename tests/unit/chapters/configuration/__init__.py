"""Tests of what the runbook keeps and compares of a release's configuration."""
