"""The database of the book: its tables through the releases, its backup, its archive."""
