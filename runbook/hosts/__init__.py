"""How commands run on the production host, and how HTTP addresses are asked."""
