"""Evidence for the verdict from databases: the migrations tried on a copy of the schema, rows asked of production."""
