"""The switch: its mode, the target beside the failed release, traffic meanwhile, and how to abandon it."""
