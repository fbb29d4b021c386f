"""Whether the target's code can live with each kind of change: tables, columns, constraints, rows and types."""
