"""The practice production on which the runbook is rehearsed and tested; nothing else knows it."""
