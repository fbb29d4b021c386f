"""Feature files found, checked and put in order; what may not be selected is refused."""
