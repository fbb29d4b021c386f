"""Restoring dumps: read one without a database, restore it into a new database, and swap that with the live one."""
