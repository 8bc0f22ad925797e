"""Gets in where the OpenTelemetry SDK is set up only later, by the app itself.

``opentelemetry-instrument`` leaves the set-up to a configurator, which comes with a distribution such as
``opentelemetry-distro``. Where none is installed, the app may set its own ``TracerProvider`` once it runs. Setting one
up for it would take that away from it: a global provider cannot be replaced.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import entry_points

import wrapt
from opentelemetry import trace

from otel_cost import semconv

_log = logging.getLogger(semconv.LOGGER)


def has_sdk() -> bool:
    """Whether an SDK's tracer provider is the global one."""
    return hasattr(trace.get_tracer_provider(), "add_span_processor")


def when_sdk_is_set(install: Callable[[], object]) -> None:
    """Call ``install`` once the app has set its own tracer provider, and say what to do if it never will."""
    if not entry_points(group="opentelemetry_configurator"):
        _log.warning(
            "no OpenTelemetry SDK is set up yet: otel-cost waits for the app's own TracerProvider. If the app has none,"
            " pip install opentelemetry-distro, and opentelemetry-instrument will set one up"
        )

    def set_and_install(
        wrapped: Callable[..., None], _instance: object, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> None:
        wrapped(*args, **kwargs)
        install()

    wrapt.wrap_function_wrapper("opentelemetry.trace", "set_tracer_provider", set_and_install)
