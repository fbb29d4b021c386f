"""Redaction: the known secrets, the forms in which they appear, and their replacement in everything written."""
