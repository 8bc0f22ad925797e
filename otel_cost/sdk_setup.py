"""Sets the OpenTelemetry SDK up where ``opentelemetry-instrument`` runs and nothing else would do it.

``opentelemetry-instrument`` leaves that to a configurator, which comes with a distribution such as
``opentelemetry-distro``. An environment without one has no SDK, no spans and nothing to price. Registering a
configurator of our own would displace the user's wherever there is one, so this one acts only when none is installed.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points

from opentelemetry import trace
from opentelemetry.environment_variables import OTEL_LOGS_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_TRACES_EXPORTER


def ensure_sdk() -> bool:
    """Set up the SDK from its standard variables if nobody did and nobody will. True when it was set up here.

    Exports by OTLP unless the variables say otherwise, as ``opentelemetry-distro`` does.
    """
    if hasattr(trace.get_tracer_provider(), "add_span_processor") or entry_points(group="opentelemetry_configurator"):
        return False
    # The SDK's own configurator; a distribution's is a subclass of it with nothing added. It has no public name.
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator  # pyright: ignore[reportPrivateUsage]

    for variable in (OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER):
        os.environ.setdefault(variable, "otlp")
    _OTelSDKConfigurator().configure()  # type: ignore[no-untyped-call]
    return True
