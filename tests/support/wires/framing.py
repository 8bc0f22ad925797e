"""Other ways than server-sent events of sending a stream, and other bodies than JSON."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from email import message_from_bytes
from email.message import MIMEPart
from email.policy import HTTP

from otel_cost.demo.directives import Json
from otel_cost.demo.wire import Wire


class JsonLines(Wire):
    """One JSON object a line, as Ollama streams."""

    stream_type = "application/x-ndjson"

    def frame(self, name: str, data: Json | str) -> bytes:
        return (data if isinstance(data, str) else json.dumps(data)).encode() + b"\n"


class AwsEvents(Wire):
    """AWS's binary messages: lengths, a checksum of them, headers, the payload, a checksum of all. A name that ends in
    ``Exception`` is an error of the service."""

    stream_type = "application/vnd.amazon.eventstream"

    def frame(self, name: str, data: Json | str) -> bytes:
        kind = "exception" if name.endswith("Exception") else "event"
        headers = _headers(
            {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind},
        )
        payload = (data if isinstance(data, str) else json.dumps(data)).encode()
        lengths = _number(len(headers) + len(payload) + 16) + _number(len(headers))
        message = lengths + _number(zlib.crc32(lengths)) + headers + payload
        return message + _number(zlib.crc32(message))


_STRING = 7
"""The type of a header's value."""


def _headers(values: Mapping[str, str]) -> bytes:
    return b"".join(
        bytes([len(name)]) + name.encode() + bytes([_STRING]) + len(value).to_bytes(2) + value.encode()
        for name, value in values.items()
    )


def _number(value: int) -> bytes:
    return value.to_bytes(4)


class Form(Wire):
    """Takes ``multipart/form-data``, as files are sent: text fields as they are, of a file its length in bytes."""

    def body(self, headers: Mapping[str, str], raw: bytes) -> Json:
        kind = headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            return super().body(headers, raw)
        form = message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + raw, policy=HTTP)
        return dict(_field(part) for part in form.iter_parts())


def _field(part: MIMEPart) -> tuple[str, object]:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    name = str(part.get_param("name", header="content-disposition"))
    return name, len(content) if part.get_filename() else content.decode()
