"""Instrumentors: a priced span for every call of an LLM provider's SDK, and a guard before it.

``activate()`` wraps the SDKs of all provider modules, now or when they are imported; ``otel_cost.install()`` has to
have run for the wrappers to do anything. Under ``opentelemetry-instrument`` both happen by themselves.
"""

from __future__ import annotations

import threading

from otel_cost_instrumentation._install import Installation, providers

__all__ = ["activate", "deactivate"]

_lock = threading.Lock()
_installation: Installation | None = None


def activate() -> None:
    """Wrap every provider's SDK. Idempotent, any thread; never raises for an SDK that is missing or has changed."""
    global _installation
    with _lock:
        if _installation is None:
            _installation = Installation()
            for provider in providers():
                _installation.add(provider)


def deactivate() -> None:
    """Unwrap everything. Streams that are still open are settled with what is known. For tests and reloads."""
    global _installation
    with _lock:
        installation, _installation = _installation, None
    if installation is not None:
        installation.remove()
