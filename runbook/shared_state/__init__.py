"""The shared files in `.runbook/` on the host: lock, ledger, quarantine, open rollback."""
