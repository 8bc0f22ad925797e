"""Who called the app, and labels from headers (FEATURES D8): FastAPI and Flask on real sockets."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from flask import Flask, Response
from werkzeug.serving import make_server

from otel_cost import runtime, semconv
from otel_cost.callers import token_hash
from otel_cost.config import CallerSettings, Config, LabelSettings
from otel_cost.middleware import AsgiMiddleware, WsgiMiddleware
from otel_cost.wire import caller_of, record_from_attributes
from tests.integration.server.serving import serving
from tests.support.world import World, make_world

KEY = "a key of sixteen characters"
CONFIG = Config(
    labels=LabelSettings(headers={"X-Team": "team"}),
    caller=CallerSettings(address=True, hash_key=KEY),
    charge_events="all",
)
HEADERS = {"x-team": "search", "x-project": "not-allowed", "authorization": "Bearer secret-token"}


def _fastapi(world: World) -> FastAPI:
    app = FastAPI()
    app.add_middleware(AsgiMiddleware)

    @app.get("/ask/{user}")
    async def ask(user: str) -> str:
        _call(world)
        return user

    @app.get("/stream/{user}")
    async def stream(user: str) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            _call(world)
            yield user

        return StreamingResponse(body())

    return app


def _flask(world: World) -> Flask:
    app = Flask(__name__)
    app.wsgi_app = WsgiMiddleware(app.wsgi_app)  # type: ignore[method-assign]

    @app.get("/ask/<user>")
    def ask(user: str) -> str:
        _call(world)
        return user

    @app.get("/stream/<user>")
    def stream(user: str) -> Response:
        def body() -> Iterator[str]:
            _call(world)
            yield user

        return Response(body())

    return app


def _call(world: World) -> None:
    with world.call():
        pass


@contextmanager
def _served_flask(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _served_fastapi(app: FastAPI) -> Iterator[str]:
    with serving(app) as server:
        yield server.url


@pytest.fixture(params=["fastapi", "flask"])
def get(request: pytest.FixtureRequest) -> Iterator[Any]:
    """(path, config, headers) to the attributes of the one call's span and of its charge event."""

    def ask(path: str, config: Config = CONFIG, headers: dict[str, str] | None = None) -> tuple[Any, Any]:
        world = make_world(config)
        fastapi = request.param == "fastapi"
        served = _served_fastapi(_fastapi(world)) if fastapi else _served_flask(_flask(world))
        with served as url, httpx.Client(trust_env=False) as client:
            answer = client.get(url + path, headers=HEADERS if headers is None else headers)
            assert (answer.status_code, answer.text.strip('"')) == (200, "42")
        (span,) = world.finished()
        events = world.events(semconv.EVENT_CHARGE)
        return dict(span.attributes or {}), events[0] if events else None

    yield ask
    runtime.uninstall()


@pytest.mark.parametrize("path", ["/ask/42", "/stream/42"])
def test_route_address_token_and_allowed_labels_are_on_the_cost(get: Any, path: str) -> None:
    span, event = get(path)
    caller = caller_of(span)
    assert caller.route in (path.replace("42", "{user}"), path.replace("42", "<user>"))
    assert caller.address == "127.0.0.1"
    assert caller.token_hash == token_hash("secret-token", KEY)
    assert span["otel_cost.team"] == "search"
    assert "not-allowed" not in repr(span)
    assert "secret-token" not in repr((span, event))
    assert record_from_attributes(event).caller == caller


def test_by_default_only_the_route_is_kept(get: Any) -> None:
    span, _ = get("/ask/42", Config())
    caller = caller_of(span)
    assert caller.route
    assert (caller.address, caller.token_hash) == ("", "")
    assert "otel_cost.team" not in span


def test_a_caller_without_a_token_has_no_hash(get: Any) -> None:
    span, _ = get("/ask/42", headers={})
    assert semconv.CALLER_TOKEN_HASH not in span


def test_nothing_is_done_where_otel_cost_is_not_installed() -> None:
    world = make_world(CONFIG)
    apps = (_served_fastapi(_fastapi(world)), _served_flask(_flask(world)))
    for served in apps:
        runtime.uninstall()
        with served as url:
            assert httpx.get(url + "/stream/42", headers=HEADERS, trust_env=False).text == "42"
    assert all(semconv.CALLER_ROUTE not in (span.attributes or {}) for span in world.finished())


def test_the_route_of_an_open_server_span_is_taken_without_middleware() -> None:
    world = make_world()
    request = {semconv.HTTP_ROUTE: "/ask/{user}"}
    with world.tracer("http").start_as_current_span("GET", attributes=request), world.call():
        pass
    call = next(span for span in world.finished() if span.name == "chat")
    assert caller_of(call.attributes or {}).route == "/ask/{user}"
    assert semconv.HTTP_ROUTE not in (call.attributes or {})
    runtime.uninstall()


def test_equal_tokens_have_equal_hashes_under_one_key_only() -> None:
    assert token_hash("Bearer t", KEY) == token_hash("t", KEY) != token_hash("t", KEY + "!")
    assert token_hash("t", "") == ""
