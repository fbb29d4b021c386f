"""The record within pytest-html's report."""
