"""Whether the target's images migrate when they start: read from them, or tried on a copy of the schema."""
