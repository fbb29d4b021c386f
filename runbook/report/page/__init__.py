"""The incident record as one HTML page and as Markdown, and whether a page fits its journal."""
