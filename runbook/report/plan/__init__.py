"""A plan on one screen, the same for programs, and what of reality has moved since it was made."""
