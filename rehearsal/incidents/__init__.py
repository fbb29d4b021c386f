"""The faults that can be planted, and how one sees that they have struck."""
