"""CI output of a run: annotations at lines of features, and JUnit's test cases."""
