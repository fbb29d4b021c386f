"""Rules on whether the target's code can live with a change of tables, columns, constraints, rows or types."""
