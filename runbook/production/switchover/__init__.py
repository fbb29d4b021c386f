"""The switch to the target beside the failed release: the decision, and the commands."""
