"""A stand-in can do what it stands for can do, and nothing else."""

from __future__ import annotations

import collections.abc
import contextlib
import copy
import inspect
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any

import pytest

from otel_cost_instrumentation._lazy import LazyStream
from otel_cost_instrumentation._stand_in import StandIn
from otel_cost_instrumentation._stream import AsyncStream, EitherStream, SyncStream, Watcher


class _Nobody:
    def saw(self, chunk: object) -> bool:
        return True

    def read_whole(self, answer: object) -> None: ...

    def closing(self) -> None: ...

    def finished(self) -> None: ...

    def failed(self, error: BaseException) -> None: ...

    def lost(self) -> None: ...


class Plain:
    """A stream and no more."""

    def __init__(self) -> None:
        self.left = [1, 2]
        self.response = Closable()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if not self.left:
            raise StopIteration
        return self.left.pop(0)


class Closable:
    def close(self) -> None: ...


class Managed(Plain):
    """A stream that is a context manager."""

    def __enter__(self) -> Managed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, at: TracebackType | None) -> None: ...


class Rich(Plain):
    """A stream that can be asked for more."""

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, index: int) -> int:
        return self.left[index]

    def __await__(self) -> Iterator[Any]:
        return iter(())

    def __call__(self) -> str:
        return "called"


class Later:
    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        raise StopAsyncIteration


class Both(Plain, Later):
    pass


def _generator() -> Iterator[int]:
    yield 1


def _stand_in(kind: Callable[..., Any], stream: object) -> Any:
    watcher: Watcher = _Nobody()
    return kind(stream, watcher)


PAIRS: list[tuple[Any, Callable[[], Any]]] = [
    (SyncStream, Plain),
    (SyncStream, Managed),
    (SyncStream, Rich),
    (AsyncStream, Later),
    (EitherStream, Both),
    (LazyStream, _generator),
]
_KINDS = (
    *(getattr(collections.abc, name) for name in collections.abc.__all__),
    contextlib.AbstractContextManager,
    contextlib.AbstractAsyncContextManager,
)
_SPECIAL = (
    *("len", "getitem", "contains", "call", "await", "iter", "aiter", "next", "anext", "enter", "exit", "aenter"),
    *("aexit", "int", "index", "float", "bytes", "bool", "add", "reversed", "copy", "deepcopy", "length_hint"),
)


@pytest.mark.parametrize(("kind", "make"), PAIRS)
def test_it_is_what_it_stands_for(kind: Any, make: Callable[[], Any]) -> None:
    real = make()
    stand_in = _stand_in(kind, real)

    assert [abc for abc in _KINDS if isinstance(stand_in, abc) != isinstance(real, abc)] == []
    names = [f"__{name}__" for name in _SPECIAL]
    assert [name for name in names if hasattr(stand_in, name) != hasattr(real, name)] == []
    assert (callable(stand_in), inspect.isawaitable(stand_in)) == (callable(real), inspect.isawaitable(real))
    assert (type(stand_in).__name__, stand_in.__class__) == (type(real).__name__, type(real))
    assert isinstance(stand_in, type(real))
    assert dir(stand_in) == dir(real)
    assert (repr(stand_in), str(stand_in), hash(stand_in)) == (repr(real), str(real), hash(real))


def test_what_else_a_stream_can_do_goes_to_it() -> None:
    stand_in = _stand_in(SyncStream, Rich())

    assert (len(stand_in), stand_in[1], stand_in(), isinstance(stand_in, Awaitable)) == (2, 2, "called", True)
    assert list(stand_in) == [1, 2]


@pytest.mark.parametrize("make", [Plain, _generator])
@pytest.mark.parametrize("act", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_are_of_what_it_stands_for(make: Callable[[], Any], act: Callable[[Any], Any]) -> None:
    """Or fail as they would have."""
    real = make()
    outcomes: list[object] = []
    for it in (real, _stand_in(SyncStream, real)):
        try:
            outcomes.append(type(act(it)))
        except (TypeError, AttributeError) as error:
            outcomes.append((type(error), str(error)))

    assert outcomes[0] == outcomes[1]


def test_its_attributes_are_those_of_what_it_stands_for() -> None:
    real = Plain()
    stand_in = _stand_in(SyncStream, real)

    stand_in.more = 1
    assert (real.more, vars(stand_in)) == (1, vars(real))  # type: ignore[attr-defined]
    del stand_in.more
    assert not hasattr(real, "more")
    assert not hasattr(stand_in, "more")
    assert stand_in == stand_in
    assert stand_in == real
    assert stand_in != Plain()


def test_the_response_of_a_stream_is_one_object_and_keeps_no_circle() -> None:
    stand_in = _stand_in(SyncStream, Plain())
    response = stand_in.response

    assert response is stand_in.response
    assert isinstance(response, Closable)
    assert isinstance(response, StandIn)
