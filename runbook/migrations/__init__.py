"""The database and its migrations: the data that SQL would destroy, the verdict, and the restore point."""
