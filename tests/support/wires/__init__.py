"""Wire formats that the stand-in speaks in tests only, one module a provider."""
