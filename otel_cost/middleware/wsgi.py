"""The WSGI side: ``app.wsgi_app = WsgiMiddleware(app.wsgi_app)`` in Flask, ``WsgiMiddleware(app)`` elsewhere."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Unpack

from otel_cost import callers, runtime
from otel_cost.errors import BudgetExceeded
from otel_cost.guarding import guard
from otel_cost.middleware.limiting import Answer, Incoming, Limiting, Options

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class WsgiMiddleware:
    """Around a WSGI app. Does nothing where otel-cost is not installed. The arguments are those of
    :class:`otel_cost.middleware.AsgiMiddleware`; here an answer has begun with the first part of its body.

    Flask and Django make an answer of their own out of an error before it gets here: give them an error handler with
    :func:`otel_cost.middleware.answer_to`.
    """

    def __init__(self, app: App, *, budgets: bool = False, **options: Unpack[Options]) -> None:
        self._app = app
        limiting = Limiting(**options)  # also where it is not used: options that are wrong are wrong
        self._limiting = limiting if budgets else None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        installed = runtime.current()
        if installed is None:
            return self._app(environ, start_response)
        headers = {_header(name): value for name, value in environ.items() if name.startswith("HTTP_")}
        address = str(environ.get("REMOTE_ADDR", ""))
        route = _Route(environ, start_response)
        with callers.around(installed.config, headers, address, route.template):
            # The server takes the body out when the call below has long returned; a streamed answer is made only then.
            inside = contextvars.copy_context()
        if self._limiting is None:
            return _Body(inside, inside.run(self._app, environ, route.start_response))
        request = Incoming(str(environ.get("REQUEST_METHOD", "")), _path(environ), headers, address, environ)
        guard = inside.run(self._limiting.guard, request)
        if guard is None:
            return _Body(inside, inside.run(self._app, environ, route.start_response))
        return _Limited(self._limiting, request, inside, guard).answered(self._app, environ, route.start_response)


def _header(name: str) -> str:
    return name.removeprefix("HTTP_").replace("_", "-").lower()


def _path(environ: Environ) -> str:
    """The path as ASGI has it: decoded, from the root of the server on."""
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


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


class _Limited:
    """One request in its block: refused before the app runs, or answered for where the app does not begin to."""

    def __init__(self, limiting: Limiting, request: Incoming, inside: contextvars.Context, block: guard) -> None:
        self._limiting = limiting
        self._request = request
        self._inside = inside
        self._block = block

    def answered(self, app: App, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            self._inside.run(self._block.__enter__)
        except BudgetExceeded as error:
            return _say(self._limiting.refusal(error, self._request), start_response)
        try:
            made = self._inside.run(app, environ, start_response)
        except BudgetExceeded as error:
            self.end()
            return self.said_instead(start_response, error)
        except BaseException:
            self.end()
            raise
        return _LimitedBody(self._inside, made, self.end, partial(self.said_instead, start_response))

    def said_instead(self, start_response: StartResponse, error: BudgetExceeded) -> Iterable[bytes]:
        """The answer in the place of one that has not begun. Raises ``error`` where there is to be none."""
        if not self._limiting.answer_escaped:
            raise error
        answer = self._inside.run(self._limiting.escaped, error, self._request)
        return _say(answer, start_response, (type(error), error, error.__traceback__))

    def end(self) -> None:
        self._inside.run(self._block.__exit__, None, None, None)


class _LimitedBody(_Body):
    """A body that may turn out to be a budget's no before its first part is there."""

    def __init__(
        self,
        inside: contextvars.Context,
        body: Iterable[bytes],
        end: Callable[[], None],
        said_instead: Callable[[BudgetExceeded], Iterable[bytes]],
    ) -> None:
        super().__init__(inside, body)
        self._end = end
        self._said_instead = said_instead
        self._begun = False
        self._instead: Iterator[bytes] | None = None

    def __next__(self) -> bytes:
        if self._instead is not None:
            return next(self._instead)
        try:
            part = super().__next__()
        except BudgetExceeded as error:
            if self._begun:
                raise
            self._instead = iter(self._said_instead(error))
            return next(self._instead, b"")
        self._begun = self._begun or bool(part)
        return part

    def close(self) -> None:
        try:
            super().close()
        finally:
            end, self._end = self._end, _ended
            end()


def _ended() -> None:
    """Some servers close a body twice."""


def _say(answer: Answer, start_response: StartResponse, *instead_of: object) -> Iterable[bytes]:
    start_response(f"{answer.status} {answer.reason}", list(answer.headers), *instead_of)
    return [answer.body] if answer.body else []
