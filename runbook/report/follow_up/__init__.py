"""The decisions of people, and what is left for them to do."""
