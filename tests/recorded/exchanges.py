"""The recorded exchanges: real requests to LLM providers and what was answered, one JSON object a line.

They are data from public repositories and no part of this project. ``RECORDED_RESPONSES`` names their directory; by
default it is ``shared/recorded`` beside the checkout.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "RECORDED_RESPONSES"
DIRECTORY: Final = Path(os.environ.get(VARIABLE) or Path(__file__).parents[3] / "shared" / "recorded")
HOW_TO_GET_THEM: Final = (
    f"no recorded responses in {DIRECTORY}: put files of exchanges there, one <provider>.jsonl each as"
    f" docs/recorded.md describes them, or set {VARIABLE} to where they are"
)
Document = dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as recorded. ``body`` is what the client read: decompressed, streams whole.
    ``trimmed``: long content of the request was left out."""

    id: str
    provider: str
    host: str
    path: str
    query: str
    request: Mapping[str, Any]
    content_type: str
    headers: Mapping[str, str]
    body: bytes
    told_streaming: bool = False
    trimmed: bool = False

    @property
    def endpoint(self) -> str:
        """The path without what differs from call to call: versions, models, projects."""
        if "/models/" in self.path:
            return self.path.rpartition(":")[2]
        words = self.path.split("/")
        return "/".join(words[-2:] if words[-2] == "chat" else words[-1:])

    @property
    def streamed(self) -> bool:
        """Whether the answer came in pieces. Some APIs say so by the path, some by the request, some by default."""
        return (
            self.told_streaming
            or self.request.get("stream") is True
            or "stream" in self.endpoint.lower()
            or "ndjson" in self.content_type
        )

    @property
    def model_in_path(self) -> str:
        """The model where the path names it (Bedrock, Gemini); else ""."""
        for mark in ("/models/", "/model/"):
            _, found, after = self.path.partition(mark)
            if found:
                return after.rpartition(":" if mark == "/models/" else "/")[0]
        return ""

    @property
    def model_requested(self) -> str:
        return self.model_in_path or str(self.request.get("model") or self.request.get("model_id") or "")

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        """The JSON objects of the body, in the order in which they came."""
        return tuple(item for item in _documents(self.body) if isinstance(item, dict))


def _documents(body: bytes) -> Iterator[Any]:
    if _is_event_stream(body):
        yield from map(json.loads, _payloads(body))
        return
    text = body.decode()
    if text.lstrip().startswith("["):
        yield from json.loads(text)
        return
    try:
        yield json.loads(text)
    except json.JSONDecodeError:  # server-sent events, or one object a line
        for line in text.splitlines():
            line = line.removeprefix("data:").strip()
            if line.startswith("{"):
                yield json.loads(line)


_PRELUDE: Final = 12  # bytes: length of the message, length of its headers, checksum
_CHECKSUM: Final = 4


def _is_event_stream(body: bytes) -> bool:
    """Whether these are AWS's binary messages: the first four bytes are a length, never text."""
    return body[:1] == b"\0"


def _payloads(body: bytes) -> Iterator[bytes]:
    while body:
        length, headers = int.from_bytes(body[:4]), int.from_bytes(body[4:8])
        yield body[_PRELUDE + headers : length - _CHECKSUM] or b"{}"
        body = body[length:]


def read_exchange(line: str) -> Exchange:
    """One line of a file."""
    said = json.loads(line)
    text = said.get("body")
    return Exchange(
        id=said["id"],
        provider=said["provider"],
        host=said["host"],
        path=said["path"],
        query=said["query"],
        request=said["request"] or {},
        content_type=said["content_type"],
        headers=said.get("headers", {}),
        body=text.encode() if text is not None else base64.b64decode(said["body_base64"]),
        told_streaming=said["streaming"],
        trimmed=said.get("request_trimmed", False),
    )


def exchanges(provider: str) -> Iterator[Exchange]:
    """All of one provider's."""
    with (DIRECTORY / f"{provider}.jsonl").open(encoding="utf-8") as lines:
        yield from map(read_exchange, lines)


def providers() -> list[str]:
    """Those that there are recordings of; empty when there are none at all."""
    return sorted(file.stem for file in DIRECTORY.glob("*.jsonl"))
