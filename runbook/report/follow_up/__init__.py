"""What people decided, and what is left for them to do."""
