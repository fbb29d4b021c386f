"""The incident record as one HTML page, and whether a page fits its journal."""
