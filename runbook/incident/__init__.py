"""One incident: the executor that carries out actions and makes checks, the typed facts, and the options."""
