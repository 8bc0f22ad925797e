"""The same small app in FastAPI, in Flask, and in Django on either side, on real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path, set_urlconf
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from flask import Flask, Response
from werkzeug.serving import make_server

from otel_cost import labelling
from otel_cost.errors import BudgetExceeded
from otel_cost.middleware import AsgiMiddleware, WsgiMiddleware, answer_to
from otel_cost.model import PlannedCall
from tests.integration.server.serving import serving
from tests.support.world import World

GPT4O = PlannedCall(provider="openai", model="gpt-4o", operation="chat", max_output_tokens=100)
"""Reserves 0.001 USD; a call of the world costs 0.0035."""
FRAMEWORKS = ("fastapi", "flask", "django-wsgi", "django-asgi")


class Acts:
    """What the routes do, whatever the framework."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ran: list[str] = []
        self.team = ""
        """In whose name ``/other`` calls."""

    def ask(self) -> str:
        self.ran.append(labelling.current().get("team", ""))
        with self.world.call():
            pass
        return "answer"

    def blocked(self) -> str:
        """A call that the budgets do not let through."""
        self.ran.append("blocked")
        team = {"team": self.team} if self.team else {}
        with labelling.labels(**team), ExitStack() as calls:
            while True:
                calls.callback(self.world.runtime.admit(GPT4O).release)

    def stream(self, *, fails: bool) -> Iterator[str]:
        yield "begun,"
        if fails:
            self.blocked()
        yield self.ask()


async def _steps(steps: Iterator[str]) -> AsyncIterator[str]:
    for step in steps:
        await asyncio.sleep(0)
        yield step


def fastapi_app(acts: Acts, options: dict[str, Any]) -> FastAPI:
    app = FastAPI()
    app.add_middleware(AsgiMiddleware, **options)
    app.add_api_route("/healthz", lambda: "well")

    @app.api_route("/ask", methods=["GET", "HEAD", "OPTIONS"])
    async def ask() -> str:
        return acts.ask()

    @app.get("/blocked")
    async def blocked() -> str:
        return acts.blocked()

    @app.get("/stream")
    async def stream(fails: bool = False) -> StreamingResponse:
        return StreamingResponse(_steps(acts.stream(fails=fails)))

    @app.websocket("/talk")
    async def talk(websocket: WebSocket) -> None:
        if "blocked" in websocket.query_params:
            acts.blocked()
        await websocket.accept()
        await websocket.send_text(acts.ask())
        await websocket.close()

    return app


def flask_app(acts: Acts, options: dict[str, Any]) -> Flask:
    app = Flask(__name__)
    app.wsgi_app = WsgiMiddleware(app.wsgi_app, **options)  # type: ignore[method-assign]
    app.add_url_rule("/healthz", view_func=lambda: "well", endpoint="healthz")

    @app.route("/ask", methods=["GET", "HEAD", "OPTIONS"], provide_automatic_options=False)
    def ask() -> str:
        return acts.ask()

    @app.get("/blocked")
    def blocked() -> str:
        return acts.blocked()

    @app.get("/stream")
    def stream() -> Response:
        from flask import request

        return Response(acts.stream(fails="fails" in request.args))

    @app.errorhandler(BudgetExceeded)
    def exceeded(error: BudgetExceeded) -> Response:
        answer = answer_to(error, figures=False)
        return Response(answer.body, answer.status, answer.headers)

    return app


class AnswerExceeded:
    """The same for Django, as a middleware of its own kind."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if asyncio.iscoroutinefunction(get_response):
            from asgiref.sync import markcoroutinefunction

            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, BudgetExceeded):
            return None
        answer = answer_to(error, figures=False)
        return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


def _django_urls(acts: Acts, *, on_asgi: bool) -> ModuleType:
    def stream(request: HttpRequest) -> StreamingHttpResponse:
        steps = acts.stream(fails="fails" in request.GET)
        return StreamingHttpResponse(_steps(steps) if on_asgi else steps)

    urls = ModuleType("urls")
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("healthz", lambda _request: HttpResponse("well")),
        path("ask", lambda _request: HttpResponse(acts.ask())),
        path("blocked", lambda _request: HttpResponse(acts.blocked())),
        path("stream", stream),
    ]
    return urls


def django_app(acts: Acts, options: dict[str, Any], *, on_asgi: bool) -> Any:
    if not settings.configured:
        here = f"{__name__}.AnswerExceeded"
        settings.configure(ALLOWED_HOSTS=["*"], MIDDLEWARE=[here], SECRET_KEY="of the test", LOGGING_CONFIG=None)
        django.setup()
    settings.ROOT_URLCONF = _django_urls(acts, on_asgi=on_asgi)
    set_urlconf(None)
    return (
        AsgiMiddleware(get_asgi_application(), **options)
        if on_asgi
        else WsgiMiddleware(get_wsgi_application(), **options)
    )


@contextmanager
def served(framework: str, acts: Acts, **options: Any) -> Iterator[str]:
    """The URL of the app while it runs."""
    if framework == "fastapi" or framework == "django-asgi":
        app = fastapi_app(acts, options) if framework == "fastapi" else django_app(acts, options, on_asgi=True)
        with serving(app, lifespan="on" if framework == "fastapi" else "off") as server:
            yield server.url
        return
    wsgi = flask_app(acts, options) if framework == "flask" else django_app(acts, options, on_asgi=False)
    server = make_server("127.0.0.1", 0, wsgi, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
