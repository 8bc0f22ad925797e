"""What SDKs made by Stainless have in common (``openai``, ``anthropic``, ``groq``): every call is one ``client.post``.

``create``, ``parse``, stream helpers, raw and streaming responses and the module-level client all end there, with the
path and the request's body in hand; it is public and has kept its shape since the first release of either SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from otel_cost_instrumentation._address import host_and_port
from otel_cost_instrumentation._read import field
from otel_cost_instrumentation._request import Arguments

_RAW_HEADER: Final = "x-stainless-raw-response"


class Post(NamedTuple):
    """One ``client.post``. ``raw``: the app wants the HTTP response, so what is on the wire is what it will see."""

    path: str
    body: dict[str, object]
    stream: bool
    raw: bool
    address: str
    port: int


def read_post(client: object, args: tuple[object, ...], kwargs: Arguments) -> Post | None:
    """The call, when it has a body of fields. The path is without its outer slashes and its query."""
    path = args[0] if args else kwargs.get("path")
    body = kwargs.get("body")
    if not isinstance(path, str) or not isinstance(body, dict):
        return None
    path, address, port = _where(client, path)
    return Post(path, body, kwargs.get("stream") is True, _is_raw(kwargs), address, port)


class Get(NamedTuple):
    """One ``client.get``."""

    path: str
    stream: bool
    address: str
    port: int


def read_get(client: object, args: tuple[object, ...], kwargs: Arguments) -> Get | None:
    """The call."""
    path = args[0] if args else kwargs.get("path")
    if not isinstance(path, str):
        return None
    path, address, port = _where(client, path)
    return Get(path, kwargs.get("stream") is True, address, port)


def _where(client: object, path: str) -> tuple[str, str, int]:
    """Path without its outer slashes and its query, host, port. Some paths are whole URLs, which the provider answered
    earlier, or the app made."""
    url = urlsplit(path)
    return url.path.strip("/"), *host_and_port(path if url.hostname else str(field(client, "base_url")))


def _is_raw(kwargs: Arguments) -> bool:
    headers = field(kwargs.get("options"), "headers")
    return isinstance(headers, Mapping) and any(str(name).lower() == _RAW_HEADER for name in headers)
