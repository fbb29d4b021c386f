"""The Compose project: its files, containers and env file, and the commands that change it."""
