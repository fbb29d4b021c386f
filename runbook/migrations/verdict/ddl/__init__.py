"""What each kind of SQL statement does to the schema."""
