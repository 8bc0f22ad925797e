"""The WSGI side: ``app.wsgi_app = WsgiMiddleware(app.wsgi_app)`` in Flask, ``WsgiMiddleware(app)`` elsewhere."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from otel_cost import callers, runtime

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class WsgiMiddleware:
    """Around a WSGI app. Does nothing where otel-cost is not installed."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        installed = runtime.current()
        if installed is None:
            return self._app(environ, start_response)
        headers = {_header(name): value for name, value in environ.items() if name.startswith("HTTP_")}
        route = _Route(environ, start_response)
        with callers.around(installed.config, headers, str(environ.get("REMOTE_ADDR", "")), route.template):
            # The server takes the body out when the call below has long returned; a streamed answer is made only then.
            inside = contextvars.copy_context()
        return _Body(inside, inside.run(self._app, environ, route.start_response))


def _header(name: str) -> str:
    return name.removeprefix("HTTP_").replace("_", "-").lower()


class _Route:
    """The template of the route that Flask has chosen. Flask forgets it with the request, and a streamed body is made
    after that: so it is looked up when the answer starts as well."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self._environ = environ
        self._start_response = start_response
        self._seen = ""

    def template(self) -> str:
        rule = getattr(getattr(self._environ.get("werkzeug.request"), "url_rule", None), "rule", "")
        return rule if rule and isinstance(rule, str) else self._seen

    def start_response(self, *args: Any, **kwargs: Any) -> Any:
        self._seen = self.template()
        return self._start_response(*args, **kwargs)


class _Body:
    """The body of an answer, made inside the request's context."""

    def __init__(self, inside: contextvars.Context, body: Iterable[bytes]) -> None:
        self._inside = inside
        self._body = body
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._parts is None:
            self._parts = self._inside.run(iter, self._body)
        return self._inside.run(next, self._parts)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            self._inside.run(close)
