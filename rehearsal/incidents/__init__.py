"""The faults that can be planted, and their symptoms."""
