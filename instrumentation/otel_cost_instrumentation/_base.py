"""The life cycle of a provider call, once for all providers, and what a provider module declares.

admit → start (or claim) a span → call → extract → set attributes → end → release. A provider module names the methods
to wrap and how to read what goes in and comes out; nothing else happens there. The app gets the SDK's answer or the
SDK's exception, unchanged, or ``BudgetExceeded`` before anything was sent.

An SDK that traces itself starts its span somewhere inside the wrapped method and ends it before that returns. For such
a one a method also names two :class:`Inside` functions: one that runs while the SDK's span is current, where the call
is opened (so that the span can be claimed), and one that makes the answer, where it can still be written to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Tracer

from otel_cost import runtime as runtimes
from otel_cost import semconv, shield
from otel_cost.errors import BudgetExceeded
from otel_cost.runtime import Hold, Runtime
from otel_cost_instrumentation._abandoned import Reaper
from otel_cost_instrumentation._call import Call
from otel_cost_instrumentation._downloads import Download, Results
from otel_cost_instrumentation._enclosing import enclose, enclosing, release
from otel_cost_instrumentation._lazy import Begun, LazyAsyncStream, LazyStream
from otel_cost_instrumentation._once import Once
from otel_cost_instrumentation._releases import Since
from otel_cost_instrumentation._request import Arguments, Request

Wrapped = Callable[..., object]
AsyncWrapped = Callable[..., Awaitable[object]]
ReadRequest = Callable[[object, tuple[object, ...], Arguments], Request | Download | None]
"""From the instance, positional and keyword arguments of a call; None for a call that is none of ours. Must be pure."""
Wrapper = Callable[[Callable[..., Any], object, tuple[object, ...], dict[str, object]], object]
"""What wrapt calls instead of a method: (bound method, instance, positional arguments, keyword arguments)."""


@dataclass(frozen=True, slots=True)
class Inside:
    """Names of functions, on the class of the wrapped method, for an SDK that traces itself.

    Attributes:
        send: Runs with the SDK's own span as the current one, around everything that is sent.
        answer: Returns the answer while that span is still open.
    """

    send: str
    answer: str


@dataclass(frozen=True, slots=True)
class Method:
    """One method to wrap.

    Attributes:
        module: Where it is defined. Wrapped when that is imported, or at once.
        name: Class and method, such as ``Client.post``, or a function of the module.
        read: Reads the call's arguments; None for calls that are none of ours.
        asynchronous: It is a coroutine function.
        mine: For a method that everything else passes too: whether an instance's calls can be ours, at little cost.
            Must not raise.
        responds: A method of the same class that each HTTP response passes as ``response``, for
            :attr:`Request.headers`; left out where it is not there.
        later: It came after the oldest release that is read, so that nobody misses it where it is not there.
    """

    module: str
    name: str
    read: ReadRequest
    asynchronous: bool = False
    inside: Inside | None = None
    mine: Callable[[object], bool] | None = None
    responds: str = ""
    later: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """What a provider module declares as ``PROVIDER``. ``name`` ends the scope name of its spans; ``since`` is the
    oldest release of the SDK, where older ones are to be left alone."""

    name: str
    methods: tuple[Method, ...]
    since: Since | None = None


_admitted: Final[ContextVar[Call | None]] = ContextVar("otel_cost_admitted", default=None)
"""The call that is being made but not open yet."""
_sending: Final[ContextVar[Call | None]] = ContextVar("otel_cost_sending", default=None)
"""The call that is open and whose answer comes next."""


class Scope:
    """What the wrappers of one provider share."""

    def __init__(self, provider: Provider, version: str, reaper: Reaper) -> None:
        self._name = semconv.INSTRUMENTATION_SCOPE_PREFIX + provider.name
        self._version = version
        self._reaper = reaper
        self._told = Once()
        self._tracer: tuple[Runtime, Tracer] | None = None

    def call(self, runtime: Runtime, request: Request, hold: Hold | None) -> Call:
        return Call(runtime, self._tracer_of, self._reaper, self._told, request, hold)

    def results(self, runtime: Runtime, download: Download) -> Results:
        return Results(runtime, self._tracer_of, self._told, download)

    def _tracer_of(self, runtime: Runtime) -> Tracer:
        cached = self._tracer
        if cached is None or cached[0] is not runtime:
            cached = self._tracer = (runtime, runtime.tracer(self._name, self._version))
        return cached[1]


class _Set:
    """Sets a context variable for a block."""

    __slots__ = ("_token", "_variable")

    def __init__(self, variable: ContextVar[Call | None], call: Call | None) -> None:
        self._variable = variable
        self._token: Token[Call | None] = variable.set(call)

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._variable.reset(self._token)


class _Current:
    """Opens a call and makes its span the current one for a block, so that HTTP spans become its children."""

    __slots__ = ("_enclosing", "_token")

    def __init__(self, call: Call) -> None:
        span = call.open()
        self._enclosing = enclose(call.inside)
        self._token: Token[Context] | None = None if span is None else context.attach(trace.set_span_in_context(span))

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        release(self._enclosing)
        if self._token is not None:
            context.detach(self._token)


class _Failing:
    """Tells a call, whose span is somebody else's, what goes wrong in a block, while that span is open."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._call.failing(error)


def _around(call: Call, inside: Inside | None) -> _Current | _Set:
    return _Current(call) if inside is None else _Set(_admitted, call)


class _Asking:
    """Around asking the budgets. Their no gets out; a fault of otel-cost's own does not stop the call."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, Exception) or isinstance(error, BudgetExceeded):
            return False
        shield.run("instrumentation: admit", None, _raise, error)
        return True


def _raise(error: Exception) -> None:
    raise error


def _read(method: Method, instance: object, args: tuple[object, ...], kwargs: Arguments) -> Request | Download | None:
    return shield.run("instrumentation: request", None, method.read, instance, args, kwargs)


def _is_asked(runtime: Runtime, request: Request) -> bool:
    """Whether budgets are asked, where there are any: not for what is spent already, nor again for what a call around
    this one asked for."""
    return runtime.budgets.present and not request.spent and enclosing() is None


def _admit(runtime: Runtime, request: Request, scope: Scope) -> Call:
    hold = None
    if _is_asked(runtime, request):
        with _Asking():
            hold = runtime.admit(request.planned(runtime.estimator))
    return scope.call(runtime, request, hold)


async def _admit_async(runtime: Runtime, request: Request, scope: Scope) -> Call:
    hold = None
    if _is_asked(runtime, request):
        with _Asking():
            hold = await runtime.admit_async(request.planned(runtime.estimator))
    return scope.call(runtime, request, hold)


def _lazily(stream: object, runtime: Runtime, request: Request, scope: Scope) -> object:
    """A stand-in for a stream that has sent nothing yet."""

    def begin() -> Begun:
        return _begun(_admit(runtime, request, scope))

    async def begin_async() -> Begun:
        return _begun(await _admit_async(runtime, request, scope))

    return LazyAsyncStream(stream, begin_async) if hasattr(type(stream), "__anext__") else LazyStream(stream, begin)


def _begun(call: Call) -> Begun:
    current = _Current(call)
    call.begun()
    return Begun(call, current)


def sync_wrapper(method: Method, inside: Inside | None, scope: Scope) -> Wrapper:
    """Around a method that returns its answer."""

    def call_it(wrapped: Wrapped, instance: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        runtime = runtimes.current()
        request = None if runtime is None else _read(method, instance, args, kwargs)
        if runtime is None or request is None:
            return wrapped(*args, **kwargs)
        if isinstance(request, Download):
            return scope.results(runtime, request).returned(wrapped(*args, **kwargs))
        if request.lazy:
            return _lazily(wrapped(*args, **request.arguments), runtime, request, scope)
        call = _admit(runtime, request, scope)
        try:
            with _around(call, inside):
                result = wrapped(*args, **request.arguments)
        except BaseException as error:
            call.failed(error)
            raise
        return call.returned(result)

    return call_it


def async_wrapper(method: Method, inside: Inside | None, scope: Scope) -> Wrapper:
    """Around a coroutine function: nothing happens before the coroutine runs, as without us."""

    async def call_it(
        wrapped: AsyncWrapped,
        instance: object,
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> object:
        runtime = runtimes.current()
        request = None if runtime is None else _read(method, instance, args, kwargs)
        if runtime is None or request is None:
            return await wrapped(*args, **kwargs)
        if isinstance(request, Download):
            return await scope.results(runtime, request).returned_async(await wrapped(*args, **kwargs))
        if request.lazy:
            return _lazily(await wrapped(*args, **request.arguments), runtime, request, scope)
        call = await _admit_async(runtime, request, scope)
        try:
            with _around(call, inside):
                result = await wrapped(*args, **request.arguments)
        except BaseException as error:
            call.failed(error)
            raise
        return call.returned(result)

    return call_it


# --- SDKs that trace themselves ---------------------------------------------------------------------------------------


def sync_send(wrapped: Wrapped, instance: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    """Around :attr:`Inside.send`: opens the admitted call, now that the SDK's span is the current one."""
    call = _admitted.get()
    with _Set(_admitted, None), _Set(_sending, call):
        if call is None:
            return wrapped(*args, **kwargs)
        with _Current(call), _Failing(call):
            return wrapped(*args, **kwargs)


async def async_send(
    wrapped: AsyncWrapped, instance: object, args: tuple[object, ...], kwargs: dict[str, object]
) -> object:
    call = _admitted.get()
    with _Set(_admitted, None), _Set(_sending, call):
        if call is None:
            return await wrapped(*args, **kwargs)
        with _Current(call), _Failing(call):
            return await wrapped(*args, **kwargs)


def sync_answer(wrapped: Wrapped, instance: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    """Around :attr:`Inside.answer`: writes a complete answer on the span while it is open."""
    return _note(wrapped(*args, **kwargs))


async def async_answer(
    wrapped: AsyncWrapped, instance: object, args: tuple[object, ...], kwargs: dict[str, object]
) -> object:
    return _note(await wrapped(*args, **kwargs))


def _note(result: object) -> object:
    call = _sending.get()
    if call is not None:
        shield.run("instrumentation: inside", None, call.answered_inside, result)
    return result


def response_wrapper(wrapped: Wrapped, instance: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    """Around :attr:`Method.responds`, a coroutine function or not."""
    around = enclosing()
    if around is not None:
        around.headers = getattr(kwargs.get("response"), "headers", None)
    return wrapped(*args, **kwargs)


class _Around(Protocol):
    def __call__(self, method: Method, inside: Inside | None, scope: Scope) -> Wrapper: ...


@dataclass(frozen=True, slots=True)
class Wrappers:
    """The wrappers for one kind of method."""

    around: _Around
    send: Wrapper
    answer: Wrapper


SYNC: Final = Wrappers(sync_wrapper, sync_send, sync_answer)
ASYNC: Final = Wrappers(async_wrapper, async_send, async_answer)
