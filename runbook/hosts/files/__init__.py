"""Reads of the production host's files: with commands over SSH, without commands on this machine."""
