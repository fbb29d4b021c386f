"""Commands on the production host, and HTTP requests."""
