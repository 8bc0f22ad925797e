"""Apps that write the book by themselves, as real processes."""
