"""Gherkin steps bound to calls, one file a chapter."""
