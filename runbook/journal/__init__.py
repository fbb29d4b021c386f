"""The append-only log of an incident: hash chain, writer, and how it is verified."""
