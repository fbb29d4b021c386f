"""A plan: on one screen, as JSON, and the check whether production has changed since."""
