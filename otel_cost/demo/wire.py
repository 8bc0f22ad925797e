"""What the stand-in has to know of an endpoint: how requests are read, and how answers, events and errors look.

A :class:`Wire` stands for one endpoint. What the path says (a model, whether to stream) is for the finder that makes
the wire to give it; the defaults here are those of most providers: JSON in, JSON or server-sent events out.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from otel_cost.demo.directives import BadDirective, Json, Told

Frame = tuple[str, Json | str]
"""One event of a stream: its name (empty for none) and its data, JSON or a bare word."""


class Payload(NamedTuple):
    """An answer that is no JSON."""

    content: bytes
    content_type: str


class Wire(ABC):
    """The shapes of one endpoint. Subclasses say what is told, answered and streamed, and how errors look."""

    method = "POST"
    request_id_header = "x-request-id"
    stream_type = "text/event-stream; charset=utf-8"
    """Content type of a streamed answer."""

    def body(self, headers: Mapping[str, str], raw: bytes) -> Json:
        """The request's body as fields; header names are in lower case.

        Raises:
            ValueError: it cannot be read; the text is sent back to the client.
        """
        body = json.loads(raw) if raw or self.method == "POST" else {}
        if not isinstance(body, dict):
            raise BadDirective("the body is not a JSON object")
        return body

    def streams(self, body: Mapping[str, object]) -> bool:
        """Whether the request asks for a stream."""
        return body.get("stream") is True

    def frame(self, name: str, data: Json | str) -> bytes:
        """One event as it goes over the wire."""
        text = data if isinstance(data, str) else json.dumps(data)
        return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()

    @abstractmethod
    def told(self, body: Mapping[str, object], extra: str) -> Told:
        """The directives in the request and in ``extra``."""

    @abstractmethod
    def answer(self, body: Mapping[str, object], told: Told) -> Json | Payload:
        """The whole answer."""

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        """The answer in pieces; where an endpoint does not stream, that is the whole of it.

        Raises:
            Cut: the connection is to be cut here.
        """
        answer = self.answer(body, told)
        assert not isinstance(answer, Payload)
        yield "", answer

    @abstractmethod
    def error(self, status: int, message: str) -> Json:
        """An error of the provider."""


Finder = Callable[[str], Wire | None]
"""From a path without its query to the endpoint's wire; None for paths that it does not know."""
