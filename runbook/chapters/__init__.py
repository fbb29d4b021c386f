"""The chapters of the runbook, one module each, and their shared parts: context, target, strategy, snapshot."""
