"""One run on one production: its journal, and the record that is made from it."""
