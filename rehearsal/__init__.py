"""The practice production: a real deployment in small, with releases that go wrong on purpose."""
