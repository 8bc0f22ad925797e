"""Generators whose every step runs in one context of their own, whatever context they are stepped from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Generator
from contextvars import Context
from types import TracebackType
from typing import Any, TypeVar

Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")


class Steps(Generator[Y, S, R]):
    """A generator, or the iterator behind an awaitable, in the context ``inside``."""

    def __init__(self, inside: Context, steps: Generator[Y, S, R]) -> None:
        self._inside = inside
        self._steps = steps

    def __next__(self) -> Y:
        return self._inside.run(next, self._steps)

    def send(self, value: S) -> Y:
        return self._inside.run(self._steps.send, value)

    def throw(self, *error: Any) -> Y:
        return self._inside.run(self._steps.throw, *error)

    def close(self) -> None:
        self._inside.run(self._steps.close)


class awaited(Awaitable[R]):
    """``await awaited(inside, something)``: every step of it runs in the context ``inside``."""

    def __init__(self, inside: Context, something: Awaitable[R]) -> None:
        self._inside = inside
        self._something = something

    def __await__(self) -> Generator[Any, Any, R]:
        steps = self._inside.run(self._something.__await__)
        return Steps(self._inside, steps)


class AsyncSteps:
    """An async generator in the context ``inside``, for another one to go through step by step::

        while await steps.more():
            with steps:
                steps.sent = yield steps.item

    What that one is sent, or has thrown into it, goes on inside.
    """

    def __init__(self, inside: Context, generator: AsyncGenerator[Any, Any]) -> None:
        self._inside = inside
        self._generator = generator
        self._thrown: BaseException | None = None
        self.sent: Any = None
        self.item: Any = None

    async def more(self) -> bool:
        """Go on to the next item. False at the end."""
        thrown, self._thrown = self._thrown, None
        step = self._generator.asend(self.sent) if thrown is None else self._generator.athrow(thrown)
        try:
            self.item = await awaited(self._inside, step)
        except StopAsyncIteration:
            return False
        return True

    async def aclose(self) -> None:
        await awaited(self._inside, self._generator.aclose())

    def __enter__(self) -> None:
        self.sent = None

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(exc, GeneratorExit):
            return False
        self._thrown = exc
        return True
