"""What a case says about an SDK, so that the common scenarios can be run with it.

A scenario says with ``@pytest.mark.needs(…)`` what it takes beside a call; a case that has not got that is not run
through it. Scenarios with ``client_of`` take synchronous clients, those with ``async_client_of`` asynchronous ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from types import NoneType
from typing import Any

from opentelemetry.trace import TracerProvider

from otel_cost.demo.wire import Finder
from otel_cost_instrumentation import _stream

Client = Any
"""SDK clients are driven by name here; what they return is compared, not used."""
Errors = type[BaseException] | tuple[type[BaseException], ...]
STAND_INS = (_stream.SyncStream, _stream.AsyncStream, _stream.RawResponse)


def _with_timeout(client: Client, seconds: float) -> Client:
    return client.with_options(timeout=seconds)


def _httpx_send(client: Client) -> tuple[Any, str]:
    return client._client, "send"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way of calling a provider. The defaults are those of an SDK made by Stainless.

    Attributes:
        provider: Name of the provider module that it exercises.
        provider_name: The provider that spans name, where it is not the module's name.
        client: (base URL, retries, the tracer provider for an SDK that traces itself, asynchronous) to a client.
        call: (client, text of the user's message, stream or not) to what the SDK's method returns.
        stream_types: What a stream is, sync and async; empty where nothing streams.
        api_error: The root of the SDK's errors for what the provider refused.
        network_error: What comes out when there is no connection, or no answer in time; ``api_error`` by default.
        midstream_error: What comes out of a stream that the provider breaks off; ``api_error`` by default.
        error_cause: Type of the cause of an error that the provider answered with.
        error_names: ``error.type`` of a call that took too long, one that found no server, one that lost it.
        status_of: HTTP status of an ``api_error``.
        raw: Calls through ``with_raw_response``; None where there is no such thing.
        helper: The SDK's stream helper, a context manager; None where there is none.
        timed: (client, seconds) to a client that waits no longer.
        sender: Owner and name of the HTTP layer's send function of a synchronous client; None where it has none.
        close: Closes a client; awaited for an asynchronous one.
        close_stream: Ends an unread stream; awaited for an asynchronous one.
        answers_model: Answers name the model.
        blocks: A stream is a context manager.
        response: A stream has the HTTP response as ``response``.
        own_iterator: A stream is its own iterator; otherwise iterating it makes a generator.
        lazy: A synchronous stream sends its request when it is asked for the first chunk.
        raises_midstream: An error of the provider inside a stream is raised, and not the stream's last chunk.
        retries: The SDK can be told to try again.
        self_traced: The SDK opens a span of its own inside the call.
        zero_output: Embeddings tell an output of 0 tokens.
        watcher: From an eager stream to the call that watches it, for looking at what that holds.
        of_the_moment: Fields that differ between equal calls, beside the usual.
    """

    name: str
    provider: str
    client: Callable[[str, int, TracerProvider | None, bool], Client]
    call: Callable[[Client, str, bool], Any]
    api_error: type[BaseException]
    model: str
    stream_types: tuple[type, ...] = ()
    provider_name: str = ""
    operation: str = "chat"
    network_error: Errors = ()
    midstream_error: Errors = ()
    error_cause: type = NoneType
    error_names: tuple[str, str, str] = ("APITimeoutError", "APIConnectionError", "RemoteProtocolError")
    status_of: Callable[[Any], Any] = attrgetter("status_code")
    raw: Callable[[Client, str, bool], Any] | None = None
    helper: Callable[[Client, str], Any] | None = None
    timed: Callable[[Client, float], Client] | None = _with_timeout
    sender: Callable[[Client], tuple[Any, str]] | None = _httpx_send
    close: Callable[[Client], Any] = lambda client: client.close()
    close_stream: Callable[[Any], Any] = lambda stream: stream.close()
    sync: bool = True
    asynchronous: bool = True
    answers_model: bool = True
    blocks: bool = True
    response: bool = True
    own_iterator: bool = False
    lazy: bool = False
    raises_midstream: bool = True
    retries: bool = True
    self_traced: bool = False
    streams_usage_before_end: bool = False
    zero_output: bool = False
    watcher: Callable[[Any], Any] = attrgetter("_self_watcher")
    of_the_moment: frozenset[str] = frozenset()

    @property
    def streams(self) -> bool:
        return bool(self.stream_types)

    @property
    def eager(self) -> bool:
        return not self.lazy

    @property
    def generators(self) -> bool:
        return self.blocks and not self.own_iterator

    @property
    def named(self) -> str:
        """The provider as spans name it."""
        return self.provider_name or self.provider

    @property
    def lost(self) -> Errors:
        return self.network_error or self.api_error

    @property
    def broken_off(self) -> Errors:
        return self.midstream_error or self.api_error

    def sent(self, client: Client, text: str) -> Any:
        """A synchronous stream whose request went out: a lazy one has been asked for its first chunk."""
        stream = self.call(client, text, True)
        if self.lazy:
            next(stream)
        return stream

    @contextmanager
    def opened(self, base_url: str, tracing: TracerProvider | None) -> Iterator[Client]:
        """A synchronous client without retries, closed afterwards."""
        client = self.client(base_url, 0, tracing, False)
        try:
            yield client
        finally:
            self.close(client)


def user(text: str) -> list[dict[str, str]]:
    """The messages of a conversation that begins with ``text``."""
    return [{"role": "user", "content": text}]


def optional(stream: bool) -> dict[str, bool]:
    """``stream`` as an argument, only where it is wanted."""
    return {"stream": True} if stream else {}


def first_of(*finders: Finder) -> Finder:
    """A finder that asks each of ``finders`` in turn."""
    return lambda path: next((wire for finder in finders if (wire := finder(path)) is not None), None)
