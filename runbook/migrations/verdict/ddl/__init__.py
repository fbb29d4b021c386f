"""The effect of each kind of SQL statement on the schema."""
