"""Other people's records of calls, from files into the book: readers by format (pure), and what settles their rows."""
