"""Secret stores, one file each: read a value, set it unless somebody else changed it, and read it back."""
