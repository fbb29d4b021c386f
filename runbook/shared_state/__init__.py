"""What lies in `.runbook/` on the host for all to see: lock, ledger, quarantine, open rollback."""
