"""Other people's instrumentation, each set in an environment of its own: ``make test-emitters``."""
