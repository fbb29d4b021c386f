"""The choice of the target: the sources, their candidates' rank and migrations levels, and the pick list."""
