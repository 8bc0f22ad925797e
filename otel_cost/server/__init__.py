"""The OTLP server: spans and charge events from any language into the book, and answers from it.

Importing this package imports no web framework; ``otel_cost.server.app`` does.
"""
