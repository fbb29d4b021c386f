"""Secret stores, one file each: a value read, set where nobody else changed it, and read back."""
