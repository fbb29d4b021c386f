"""The switch beside: whether the target may come up beside the failed release, and the commands that do it."""
