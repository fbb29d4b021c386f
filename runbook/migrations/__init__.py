"""The database: its catalog, what SQL would destroy, and the restore point."""
