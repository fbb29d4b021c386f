"""Evidence for the verdict from databases: trials of the migrations on a copy of the schema, and production's rows."""
