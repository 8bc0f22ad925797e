"""Blocks of code that run in an OpenTelemetry context of their own, as context managers and as decorators."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from functools import wraps
from types import TracebackType
from typing import Final, ParamSpec, Self, TypeVar, cast

from opentelemetry import context
from opentelemetry.context import Context

P = ParamSpec("P")
R = TypeVar("R")

_entered: Final[ContextVar[tuple[Token[Context], ...]]] = ContextVar("otel_cost_entered", default=())


class ContextBlock(ABC):
    """One instance may be entered in many threads and tasks at once, and again while it is entered."""

    @abstractmethod
    def changed(self) -> Context:
        """The context of the block, made from the current one."""

    @abstractmethod
    def fresh(self) -> Self:
        """An equal one: each call of a decorated function enters its own."""

    def __enter__(self) -> object:
        _entered.set((*_entered.get(), context.attach(self.changed())))
        return None

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The innermost one of this thread or task.
        *outer, token = _entered.get()
        _entered.set(tuple(outer))
        context.detach(token)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            name = type(self).__name__
            raise TypeError(
                f"{name} cannot decorate a generator: its body runs later; use 'with {name}(...)' inside it"
            )
        if inspect.iscoroutinefunction(function):
            awaitable = cast("Callable[P, Awaitable[object]]", function)

            @wraps(function)
            async def run_async(*args: P.args, **kwargs: P.kwargs) -> object:
                with self.fresh():
                    return await awaitable(*args, **kwargs)

            return cast("Callable[P, R]", run_async)

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.fresh():
                return function(*args, **kwargs)

        return run
