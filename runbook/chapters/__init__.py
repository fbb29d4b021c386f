"""One file for each chapter of the runbook, and what they share: context, target, strategy, snapshot."""
