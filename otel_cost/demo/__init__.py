"""The main job on embedded defaults: a stand-in for the providers, a sample app, and what ``otel-cost demo`` shows."""
