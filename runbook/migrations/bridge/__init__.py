"""The lossless way back: what of the schema is relaxed so that the target's code can use it, and how that is undone."""
