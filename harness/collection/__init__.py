"""Feature files: found, checked and put in order. Invalid selections are refused."""
