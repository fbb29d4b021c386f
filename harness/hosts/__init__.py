"""Several hosts of one project: their scenarios, and the run's state of each."""
