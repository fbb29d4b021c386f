"""The verdict on whether the target's code can live with the schema: unchanged, additive, breaking or review."""
