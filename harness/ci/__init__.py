"""What CI shows of a run: annotations at lines of features, and JUnit's test cases."""
