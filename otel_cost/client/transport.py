"""Requests to the API: kept connections, repeated reads, and problems as errors."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Final, TypeVar, cast
from urllib.parse import quote, urlencode

from otel_cost.client.decoding import Unreadable, decoded
from otel_cost.connections import Answer, Connections, Unreachable
from otel_cost.errors import ApiDenied, ApiError, ApiInvalid, ApiNotFound, ApiUnavailable, ConfigError
from otel_cost.version import VERSION

_T = TypeVar("_T")
Query = Mapping[str, "str | int | bool | list[str] | None"]
_TRIES: Final = 4
_FIRST_WAIT_S: Final = 0.1
_PASSING: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
"""What may be otherwise in a moment."""
_DETAIL: Final = 500
_KINDS: Final[Mapping[int, type[ApiError]]] = {
    HTTPStatus.UNAUTHORIZED: ApiDenied,
    HTTPStatus.FORBIDDEN: ApiDenied,
    HTTPStatus.NOT_FOUND: ApiNotFound,
    **dict.fromkeys(_PASSING, ApiUnavailable),
}


class Transport:
    """Thread-safe; a forked child opens connections of its own.

    Args:
        url: Of the server.
        key: Sent with every request; empty: none.
        timeout_s: How long one call may take, its repetitions included.
        sleep: Waits between two tries.

    Raises:
        ConfigError: the URL is not one, or the key cannot be sent.
    """

    def __init__(self, url: str, key: str, timeout_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
        if not (key.isascii() and key.isprintable()):
            raise ConfigError("key: it has characters that no key has: ASCII without control characters")
        if timeout_s <= 0:
            raise ConfigError(f"timeout_s is {timeout_s:g}; it must be more than 0")
        self._connections = Connections(url, "url")
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._headers = {"User-Agent": f"otel-cost/{VERSION}", "Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def close(self) -> None:
        self._connections.close()

    def get(self, kind: type[_T], path: str, query: Query) -> _T:
        """Read; repeated while the server is away, as long as the time allows. Raises ApiError."""
        return self._value(kind, self._send("GET", path, query, None, repeatable=True))

    def send(self, kind: type[_T], method: str, path: str, query: Query, body: object, *, repeatable: bool) -> _T:
        """Change something; ``repeatable``: the server knows it again. Raises ApiError."""
        return self._value(kind, self._send(method, path, query, body, repeatable=repeatable))

    def into(self, path: str, query: Query, sink: Callable[[bytes], None], timeout_s: float) -> None:
        """Read a body of any size piece by piece. Never repeated. Raises ApiError."""
        try:
            answer = self._connections.send(
                "GET", target(path, query), None, self._headers, timeout_s=timeout_s, repeatable=True, into=sink
            )
        except Unreachable as error:
            raise ApiUnavailable(str(error)) from error
        _check(answer)

    def _value(self, kind: type[_T], answer: Answer) -> _T:
        try:
            return decoded(kind, answer.body)
        except Unreadable as error:
            raise ApiError(
                f"{self._connections.url} gave an answer that otel-cost {VERSION} cannot read ({error}): is it an "
                "otel-cost serve of this version?",
                status=answer.status,
            ) from error

    def _send(self, method: str, path: str, query: Query, body: object, *, repeatable: bool) -> Answer:
        deadline = time.monotonic() + self._timeout_s
        encoded = None if body is None else json.dumps(body, default=_written).encode()
        headers = self._headers if encoded is None else {**self._headers, "Content-Type": "application/json"}
        tries = _TRIES if repeatable else 1
        for number in range(1, tries + 1):
            error = self._tried(method, target(path, query), encoded, headers, deadline, repeatable)
            if isinstance(error, Answer):
                return error
            wait_s = _wait_s(error, number)
            if number == tries or not isinstance(error, ApiUnavailable) or time.monotonic() + wait_s >= deadline:
                raise error
            self._sleep(wait_s)
        raise AssertionError("the last try ends it")

    def _tried(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], deadline: float, repeatable: bool
    ) -> Answer | ApiError:
        left_s = max(0.001, deadline - time.monotonic())
        try:
            answer = self._connections.send(method, path, body, headers, timeout_s=left_s, repeatable=repeatable)
            _check(answer)
        except Unreachable as error:
            found = ApiUnavailable(str(error))
            found.__cause__ = error
            return found
        except ApiError as error:
            return error
        return answer


def _written(value: object) -> str:
    """What JSON has no way to write: amounts, exactly, as text."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{value!r:.60} cannot be sent")


def _wait_s(error: ApiError, number: int) -> float:
    """As long as the server asks for; else twice as long each time, not in step with others."""
    if error.retry_after_s is not None:
        return error.retry_after_s
    return _FIRST_WAIT_S * (1 << (number - 1)) * random.uniform(0.5, 1.0)


def target(path: str, query: Query) -> str:
    """Path and query of a request. None is left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if isinstance(value, bool):
            value = "true" if value else None
        several = value if isinstance(value, list) else [value]
        pairs.extend((name, str(one)) for one in several if one is not None)
    return f"{path}?{urlencode(pairs)}" if pairs else path


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def _check(answer: Answer) -> None:
    """Raises ApiError for anything but success."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    problem = _problem(answer.body)
    detail, field = str(problem.get("detail") or ""), problem.get("field")
    kind = _KINDS.get(answer.status)
    if kind is None:
        kind = ApiInvalid if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR else ApiError
    text = f"{field}: {detail}" if field else detail
    raise kind(
        text[:_DETAIL] or f"the server answered {answer.status} without saying why",
        status=answer.status,
        detail=detail,
        field=str(field) if field is not None else None,
        retry_after_s=float(answer.retry_after) if answer.retry_after.isdecimal() else None,
    )


def _problem(body: bytes) -> Mapping[str, object]:
    """An RFC 9457 body; empty where something else answered, a proxy perhaps."""
    try:
        problem: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", problem) if isinstance(problem, dict) else {}
