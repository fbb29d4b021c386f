"""Checks for several chapters: Compose files, the env file, several hosts, looks ahead, and the last look."""
