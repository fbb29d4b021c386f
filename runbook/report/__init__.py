"""What a journal tells, in the order in which people ask; reads journals only."""
