"""One incident: actions carried out and checks made, on record, and what its person asked for."""
