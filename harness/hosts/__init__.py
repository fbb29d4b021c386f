"""Several hosts of one project: their scenarios, and what a run has of each."""
