"""The Gherkin steps, bound to calls of the chapters; one module per chapter."""
