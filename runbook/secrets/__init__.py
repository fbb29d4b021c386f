"""What is secret, in which forms it can show, and how it is struck out of all that is written."""
