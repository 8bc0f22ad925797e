"""OTLP/HTTP bodies to plain values, and the answers back. Pure: nothing here knows the web framework.

Protobuf and JSON as in the OTLP specification: JSON writes trace and span ids as hex (not base64 as protobuf's own JSON
mapping would), 64-bit integers as strings, names in lower camel case; unknown fields are ignored.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status as RpcStatus  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from otel_cost import semconv
from otel_cost.ended import EndedSpan
from otel_cost.ledger.base import MAX_STORED

UNKNOWN_ERROR: Final = "_OTHER"
"""The conventional ``error.type`` of a failure whose kind was not said."""
_EVENT_NAME: Final = "event.name"  # where the name of an event stood before log records had a field for it
_BUDGET_EVENTS: Final = frozenset(
    {
        semconv.EVENT_BUDGET_THRESHOLD,
        semconv.EVENT_BUDGET_BREACH,
        semconv.EVENT_BUDGET_BLOCKED,
        semconv.EVENT_BUDGET_PAUSED,
        semconv.EVENT_BUDGET_RESUMED,
    }
)
_MAX_MEMBERS: Final = 100
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_JSON_IDS: Final = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")
_KINDS: Final[dict[int, str]] = {
    number: name.removeprefix("SPAN_KIND_")
    for name, number in Span.SpanKind.items()
    if number != Span.SpanKind.SPAN_KIND_UNSPECIFIED
}
_MessageT = TypeVar("_MessageT", bound=Message)


class Encoding(Enum):
    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class Malformed(ValueError):
    """The body is not what its headers say."""


class TooLarge(ValueError):
    """The body is larger than allowed once decompressed."""


@dataclass(slots=True)
class Rejected:
    """Spans or log records of a batch that cannot be taken, with the first few reasons; these are the answer's partial
    success, which has a message and a count of 0 where all were taken."""

    count: int = 0
    reasons: list[str] = field(default_factory=list[str])

    def add(self, reason: str) -> None:
        self.count += 1
        self.warn(reason)

    def warn(self, reason: str) -> None:
        """Say something of what is taken all the same."""
        if len(self.reasons) < 5 and reason not in self.reasons:
            self.reasons.append(reason)


# --- bodies -----------------------------------------------------------------------------------------------------------


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding ("", identity, gzip or deflate).

    Never makes more than ``limit`` bytes, whatever the body promises.

    Raises:
        Malformed: it is not what ``encoding`` says, or ends too early.
        TooLarge: more than ``limit`` bytes.
    """
    if encoding in ("", "identity"):
        return body
    try:
        return _inflate(body, zlib.MAX_WBITS | (16 if encoding == "gzip" else 0), limit)
    except zlib.error as error:
        raise Malformed(f"the body is not valid {encoding}: {error}") from error


def _inflate(body: bytes, wbits: int, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    while body:  # a gzip body may consist of several members
        if len(parts) >= _MAX_MEMBERS:
            # Each one copies the rest: a body of empty members would take time with the square of its length.
            raise Malformed(f"the compressed body has more than {_MAX_MEMBERS} members")
        inflater = zlib.decompressobj(wbits)
        part = inflater.decompress(body, left + 1)
        left -= len(part)
        if left < 0:
            raise TooLarge(f"the body is larger than {limit} bytes once decompressed")
        if not inflater.eof:
            raise Malformed("the compressed body ends too early")
        parts.append(part)
        body = inflater.unused_data
    return b"".join(parts)


def parse_traces(body: bytes, encoding: Encoding) -> ExportTraceServiceRequest:
    """Raises Malformed."""
    return _parse(body, encoding, ExportTraceServiceRequest())


def parse_logs(body: bytes, encoding: Encoding) -> ExportLogsServiceRequest:
    """Raises Malformed."""
    return _parse(body, encoding, ExportLogsServiceRequest())


def _parse(body: bytes, encoding: Encoding, message: _MessageT) -> _MessageT:
    try:
        if encoding is Encoding.PROTOBUF:
            message.ParseFromString(body)
        else:
            data = _json(body)
            if not isinstance(data, dict):
                raise Malformed("the JSON body is not an object")
            _ids_to_base64(data)
            json_format.ParseDict(data, message, ignore_unknown_fields=True)
    except (DecodeError, json_format.ParseError, ValueError, RecursionError) as error:
        raise Malformed(f"the body is not a valid OTLP request: {error}".replace("\n", " ")[:500]) from error
    return message


def _json(body: bytes) -> object:
    data: object = json.loads(body.decode("utf-8"))
    if _SURROGATE.search(body):
        # Half a character, which protobuf's parser does not expect in a name: raises UnicodeEncodeError.
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    return data


def _ids_to_base64(data: dict[str, object]) -> None:
    for record in (*_nested(data, "Spans", "spans"), *_nested(data, "Logs", "logRecords")):
        for name in _JSON_IDS:
            value = record.get(name)
            if isinstance(value, str):
                record[name] = _hex_to_base64(value)
        links = record.get("links")
        for link in links if isinstance(links, list) else ():
            if isinstance(link, dict):
                link.clear()  # not read here, and its ids would be misread


def _hex_to_base64(value: str) -> str:
    """Empty where it is not hexadecimal: that span is rejected, the rest of the batch is not."""
    try:
        return base64.b64encode(binascii.unhexlify(value)).decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def _nested(data: Mapping[str, object], signal: str, leaf: str) -> Iterator[dict[str, object]]:
    for resource in _objects(data, f"resource{signal}"):
        scopes = f"scope{'Spans' if signal == 'Spans' else 'Logs'}"
        for scope in _objects(resource, scopes):
            yield from _objects(scope, leaf)


def _objects(data: Mapping[str, object], name: str) -> Iterator[dict[str, object]]:
    snake = "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
    for key in {name, snake}:
        items = data.get(key)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                yield item


def encode(message: Message, encoding: Encoding) -> bytes:
    if encoding is Encoding.PROTOBUF:
        return message.SerializeToString()
    return json_format.MessageToJson(message, indent=None).encode()


def traces_response(rejected: Rejected) -> ExportTraceServiceResponse:
    response = ExportTraceServiceResponse()
    if rejected.reasons:
        response.partial_success.rejected_spans = rejected.count
        response.partial_success.error_message = "; ".join(rejected.reasons)
    return response


def logs_response(rejected: Rejected) -> ExportLogsServiceResponse:
    response = ExportLogsServiceResponse()
    if rejected.reasons:
        response.partial_success.rejected_log_records = rejected.count
        response.partial_success.error_message = "; ".join(rejected.reasons)
    return response


def error_response(message: str) -> Message:
    """The body of a failed export, as the specification asks."""
    status: Message = RpcStatus(message=message)
    return status


# --- spans and log records --------------------------------------------------------------------------------------------


def spans_of(request: ExportTraceServiceRequest, rejected: Rejected) -> Iterator[EndedSpan]:
    """Every span of the request that can be one; the others are counted in ``rejected``."""
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                fault = _fault(span)
                if fault:
                    rejected.add(fault)
                else:
                    yield _ended(span, scope_spans.scope.name, scope_spans.scope.version, resource)


def _fault(span: Span) -> str:
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return "a span's trace_id is not 16 bytes, not all zero"
    if len(span.span_id) != 8 or not any(span.span_id):
        return "a span's span_id is not 8 bytes, not all zero"
    if not 0 < span.start_time_unix_nano <= MAX_STORED or span.end_time_unix_nano > MAX_STORED:
        return "a span has no start time, or times past the year 2116"
    return ""


def _ended(span: Span, scope: str, scope_version: str, resource: Mapping[str, object]) -> EndedSpan:
    attributes = _attributes(span.attributes)
    return EndedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        kind=_kind(span.kind),
        scope=scope,
        scope_version=scope_version,
        start_ns=span.start_time_unix_nano,
        end_ns=max(span.start_time_unix_nano, span.end_time_unix_nano),
        attributes=attributes,
        resource=resource,
        error=_error(span, attributes),
    )


def _kind(kind: int) -> str:
    return _KINDS.get(kind, "INTERNAL")


def _error(span: Span, attributes: Mapping[str, object]) -> str:
    error_type = attributes.get(semconv.FAILURE) or attributes.get(semconv.ERROR_TYPE)
    if isinstance(error_type, str) and error_type:
        return error_type
    return UNKNOWN_ERROR if span.status.code == SpanStatus.STATUS_CODE_ERROR else ""


def charges_of(request: ExportLogsServiceRequest) -> Iterator[Mapping[str, object]]:
    """The attributes of every charge event; other log records are none of our business."""
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                attributes = _attributes(record.attributes)
                if _event_name(record, attributes) == semconv.EVENT_CHARGE:
                    yield attributes


def budget_events_of(request: ExportLogsServiceRequest) -> Iterator[ToldEvent]:
    """Every event of a budget."""
    for resource_logs in request.resource_logs:
        resource = _attributes(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                attributes = _attributes(record.attributes)
                name = _event_name(record, attributes)
                if isinstance(name, str) and name in _BUDGET_EVENTS:
                    at_ns = record.time_unix_nano or record.observed_time_unix_nano
                    yield ToldEvent(name, at_ns, record.body.string_value, attributes, resource)


class ToldEvent(NamedTuple):
    """A log record that is an event; ``at_ns`` is 0 where it does not say when."""

    name: str
    at_ns: int
    body: str
    attributes: Mapping[str, object]
    resource: Mapping[str, object]


def _event_name(record: LogRecord, attributes: Mapping[str, object]) -> object:
    return record.event_name or attributes.get(_EVENT_NAME)


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> object:
    if plain := value.string_value:
        return plain  # what most are; asking which one is set costs as much again
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    found: object = getattr(value, kind)
    return found
