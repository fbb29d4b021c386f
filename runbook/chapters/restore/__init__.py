"""Chapter 6: a dump is restored beside the live database, and the two swap names."""
