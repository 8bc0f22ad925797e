"""The oldest supported releases of SDKs, in an environment of their own."""
