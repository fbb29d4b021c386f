"""Whether the target's images migrate when they start: read, or tried on a copy of the schema."""
