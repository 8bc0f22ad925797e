"""The server on a real socket, in a thread of the test, and what is sent to it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import httpx
import uvicorn
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from otel_cost import semconv
from otel_cost.server import running
from tests.support import waiting

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
NOW = 1_790_000_000 * 10**9
"""What the server's clock shows, in ns; spans start a minute earlier."""
MINUTE = 60 * 10**9


@dataclass(frozen=True)
class Server:
    url: str
    http: httpx.Client
    stop: Callable[[], None] = lambda: None

    def send(
        self, body: bytes, content_type: str = PROTOBUF, path: str = "/v1/traces", **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(path, content=body, headers={"content-type": content_type, **named})

    def summary(self, **parameters: str | int) -> dict[str, object]:
        response = self.http.get("/api/v1/costs/summary", params=parameters)
        assert response.status_code == 200, response.text
        body: dict[str, object] = response.json()
        return body

    def nano(self, **parameters: str | int) -> int:
        """The effective amount of the summary's total."""
        total = self.summary(**parameters)["total"]
        assert isinstance(total, dict)
        return int(total["cost"]["nano_usd"])

    def samples(self) -> dict[str, float]:
        """Samples of /metrics: name and labels to value, zeros left out."""
        lines = self.http.get("/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs if float(value)}

    def metric(self, name: str, *labels: str) -> float:
        """The sum over all samples of ``name`` that carry ``labels``, each written ``name="value"``."""
        return sum(
            value
            for sample, value in self.samples().items()
            if sample.split("{")[0] == name and all(label in sample for label in labels)
        )


@contextmanager
def serving(app: FastAPI, *, lifespan: Literal["on", "off"] = "on") -> Iterator[Server]:
    settings = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan=lifespan)
    # Other apps than ours are served as well, to try middleware in.
    parts = getattr(getattr(app, "state", None), "parts", None)
    server = running.Server(settings, parts.live.end if parts is not None else lambda: None)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        waiting.until(lambda: server.started or not thread.is_alive(), "uvicorn to start")
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            yield Server(url, client, lambda: setattr(server, "should_exit", True))
    finally:
        server.should_exit = True
        thread.join()


def pairs(attributes: Mapping[str, str | int | float]) -> list[KeyValue]:
    def value(of: str | int | float) -> AnyValue:
        if isinstance(of, str):
            return AnyValue(string_value=of)
        if isinstance(of, bool):
            return AnyValue(bool_value=of)
        return AnyValue(int_value=of) if isinstance(of, int) else AnyValue(double_value=of)

    return [KeyValue(key=key, value=value(of)) for key, of in attributes.items()]


def chat(input_tokens: int = 1000, output_tokens: int = 100, **more: str | int | float) -> dict[str, str | int | float]:
    """Attributes of one chat call."""
    return {
        semconv.OPERATION_NAME: semconv.OP_CHAT,
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-4o",
        semconv.USAGE_INPUT_TOKENS: input_tokens,
        semconv.USAGE_OUTPUT_TOKENS: output_tokens,
        **more,
    }


def span(attributes: Mapping[str, str | int | float], *, start_ns: int = NOW - MINUTE, length_ns: int = 10**9) -> Span:
    return Span(
        trace_id=secrets.token_bytes(16),
        span_id=secrets.token_bytes(8),
        name="call",
        kind=Span.SpanKind.SPAN_KIND_CLIENT,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + length_ns,
        attributes=pairs(attributes),
    )


def request(*spans: Span, scope: str = "any.instrumentation", **resource: str) -> ExportTraceServiceRequest:
    """An export request. ``resource`` are labels (team, ...) of the sending app."""
    attributes = {semconv.SERVICE_NAME: "shop"}
    attributes.update({semconv.label_attribute(label): value for label, value in resource.items()})
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=pairs(attributes)),
                scope_spans=[ScopeSpans(scope=InstrumentationScope(name=scope), spans=spans)],
            )
        ]
    )


def traces(*spans: Span, scope: str = "any.instrumentation", **resource: str) -> bytes:
    """The protobuf body of :func:`request`."""
    return request(*spans, scope=scope, **resource).SerializeToString()
