"""Carrying out migrations: the command, its time limits, and the loss that is accepted."""
