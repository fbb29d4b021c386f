"""Choosing the target: all sources asked, their candidates ranked, their migrations levels, and the pick list."""
