"""The bridge: relax the schema so that the target's code can use it, without data loss, and undo that later."""
