"""The practice production on which the runbook is rehearsed and tested. The runbook itself does not know it."""
