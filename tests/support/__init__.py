"""What several kinds of tests need: real processes and ports, waiting on conditions, finding the real tools."""
