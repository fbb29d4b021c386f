"""The database and its migrations: what SQL would destroy, the verdict, and the restore point."""
