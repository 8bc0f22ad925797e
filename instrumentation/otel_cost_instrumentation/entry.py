"""How ``opentelemetry-instrument`` starts otel-cost: by either entry point, whichever comes, once.

``opentelemetry_pre_instrument`` runs when the SDK is configured and before other instrumentors, also when these are
disabled. A raise there would abort the app's start, so nothing gets out.
"""

from __future__ import annotations

from collections.abc import Collection

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_cost import runtime, shield
from otel_cost_instrumentation import activate, deactivate


def pre_instrument() -> None:
    """Install into the configured tracer provider and, unless the settings say ``instrument: false``, wrap the SDKs.
    Idempotent; never raises."""
    runtime.install_at_startup(_installed)


def _installed(running: runtime.Runtime) -> None:
    if running.config.instrument:
        shield.run("start", None, activate)


class OtelCostInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """The same start, for those who list instrumentors by hand."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, **kwargs: object) -> None:
        pre_instrument()

    def _uninstrument(self, **kwargs: object) -> None:
        shield.run("stop", None, deactivate)
