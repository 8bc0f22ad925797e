"""How a store's calls look over HTTP: the same module writes and reads them, in the app and in ``otel-cost serve``.

A call is a JSON object of the method's arguments by name, an answer an object with ``result``. Both say ``wire``, the
number of this form. Named tuples are objects, mappings are lists of pairs. Which arguments and results there are is
read off :class:`~otel_cost.budgets.stores.base.Store`, so that nothing has to be kept in step with it by hand.

Integers are exact, of any size; a number with a fraction or an exponent is none. Text arrives as it was: NUL, and
surrogates that stand alone, which are no Unicode text but can be in a Python string (so a body with such a label is not
UTF-8 in the strict sense). Whether a store can keep such text is for it to say.

Raises, throughout:
    Malformed: what arrived is not of this form. The text says where.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, Literal, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

from otel_cost.budgets.stores.base import Store

WIRE: Final = 1
"""Goes up when an older reader would take a call or an answer for something that it is not. A field that may as well
be passed over, and that has a default, does not need that."""
PATH: Final = "/api/v1/budget-store"
WAIT_HEADER: Final = "Otel-Cost-Wait-Ms"
"""How long the client waits for the answer, in milliseconds."""
BUSY: Final = "urn:otel-cost:problem:budget-store-busy"
UNAVAILABLE: Final = "urn:otel-cost:problem:budget-store-unavailable"
"""Types of the problems that the server answers with when its store cannot."""

Decoder = Callable[[object], Any]


class Malformed(ValueError):
    """What arrived cannot be read. The text says where and why."""


class Method(NamedTuple):
    """One method of a store: its arguments' types by name, which of them may be left out, and what it returns."""

    name: str
    takes: Mapping[str, object]
    optional: frozenset[str]
    gives: object


def _method(name: str) -> Method:
    function = getattr(Store, name)
    hints = get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    optional = frozenset(one.name for one in parameters if one.default is not one.empty)
    return Method(name, {one.name: hints[one.name] for one in parameters}, optional, hints["return"])


def _is_called(name: str, member: object) -> bool:
    return inspect.isfunction(member) and not name.startswith("_") and name != "close"


METHODS: Final[Mapping[str, Method]] = {
    name: _method(name) for name, member in vars(Store).items() if _is_called(name, member)
}


# --- bodies -----------------------------------------------------------------------------------------------------------


def call_body(arguments: Mapping[str, object]) -> bytes:
    """What a client sends."""
    return _packed(arguments)


def arguments_of(method: Method, body: bytes) -> dict[str, object]:
    """What a client said."""
    said = _unpacked(body)
    return _fields(method.name, method.takes, method.optional, said)


def answer_body(result: object) -> bytes:
    """What the server answers when the store did."""
    return _packed({"result": result})


def result_of(method: Method, body: bytes) -> Any:
    """What the store answered."""
    said = _unpacked(body)
    if "result" not in said:
        raise Malformed("there is no result")
    return decoder(method.gives)(said["result"])


def _packed(said: Mapping[str, object]) -> bytes:
    text = json.dumps({"wire": WIRE, **_encoded_values(said)}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _unpacked(body: bytes) -> Mapping[str, object]:
    try:
        said = json.loads(body.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"it is no JSON: {error}") from error
    if not isinstance(said, dict):
        raise Malformed("it is no JSON object")
    whole = cast("dict[str, object]", said)
    if whole.get("wire") != WIRE:
        raise Malformed(f"it has form {whole.get('wire')!r}, and known here is {WIRE}: the two sides' versions differ")
    return whole


# --- values -----------------------------------------------------------------------------------------------------------


def encoded(value: object) -> object:
    """``value`` as JSON can have it."""
    if value is None or isinstance(value, str | int):
        return value
    as_dict = getattr(value, "_asdict", None)
    if isinstance(value, tuple) and as_dict is not None:
        return _encoded_values(as_dict())
    if dataclasses.is_dataclass(value):
        return {field.name: encoded(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return [[encoded(key), encoded(one)] for key, one in cast("Mapping[object, object]", value).items()]
    return [encoded(one) for one in cast("Collection[object]", value)]


def _encoded_values(values: Mapping[str, object]) -> dict[str, object]:
    return {name: encoded(value) for name, value in values.items()}


@cache
def decoder(kind: Any) -> Decoder:
    """What reads a value of a type: one that a store's signature can have."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return partial(_one_of, frozenset(args))
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is tuple:
        return partial(_tuple, decoder(args[0])) if args[-1] is Ellipsis else partial(_fixed, args)
    if origin is not None and issubclass(origin, Mapping):
        return partial(_mapping, decoder(args[0]), decoder(args[1]))
    if origin is not None and issubclass(origin, Collection):
        return partial(_set if origin is set else _items, decoder(args[0]))
    if kind in (str, int, bool, type(None)):
        return partial(_scalar, kind)
    return partial(_record, kind, get_type_hints(kind), frozenset(_with_default(kind)))


def _scalar(kind: type, value: object) -> object:
    if type(value) is not kind:  # a bool is an int to Python
        raise Malformed(f"{_shown(value)} where {kind.__name__} is expected")
    return value


def _one_of(allowed: frozenset[object], value: object) -> object:
    if not isinstance(value, str) or value not in allowed:
        raise Malformed(f"{_shown(value)} is none of {', '.join(sorted(map(repr, allowed)))}")
    return value


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise Malformed(f"{_shown(value)} where a list is expected")
    return cast("list[object]", value)


def _items(item: Decoder, value: object) -> list[object]:
    return [item(one) for one in _list(value)]


def _set(item: Decoder, value: object) -> set[object]:
    return set(_items(item, value))


def _tuple(item: Decoder, value: object) -> tuple[object, ...]:
    return tuple(_items(item, value))


def _fixed(kinds: tuple[object, ...], value: object) -> tuple[object, ...]:
    items = _list(value)
    if len(items) != len(kinds):
        raise Malformed(f"{len(items)} items where {len(kinds)} are expected")
    return tuple(decoder(kind)(one) for kind, one in zip(kinds, items, strict=True))


def _mapping(key: Decoder, item: Decoder, value: object) -> dict[object, object]:
    pairs = [_list(pair) for pair in _list(value)]
    if any(len(pair) != 2 for pair in pairs):
        raise Malformed("a mapping is a list of pairs")
    return {key(name): item(one) for name, one in pairs}


def _record(kind: type, hints: Mapping[str, object], optional: frozenset[str], value: object) -> object:
    if not isinstance(value, dict):
        raise Malformed(f"{_shown(value)} where a {kind.__name__} is expected")
    return kind(**_fields(kind.__name__, hints, optional, cast("dict[str, object]", value)))


def _fields(
    of: str, kinds: Mapping[str, object], optional: frozenset[str], values: Mapping[str, object]
) -> dict[str, object]:
    """Fields that are not known are passed over, those that are not there have their default."""
    missing = [name for name in kinds if name not in values and name not in optional]
    if missing:
        raise Malformed(f"{of} without {', '.join(missing)}")
    return {name: decoder(kind)(values[name]) for name, kind in kinds.items() if name in values}


def _with_default(kind: Any) -> Collection[str]:
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        return [
            one.name for one in dataclasses.fields(kind) if (one.default, one.default_factory) != (missing, missing)
        ]
    return cast("Mapping[str, object]", kind._field_defaults)


def _union(kinds: tuple[Any, ...]) -> Decoder:
    """Members are told apart by what they look like: nothing, text, a list, or an object with these fields."""
    shapes = [(_looks_like(kind), decoder(kind)) for kind in kinds]

    def read(value: object) -> object:
        for fits, reads in shapes:
            if fits(value):
                return reads(value)
        raise Malformed(f"{_shown(value)} is nothing that can stand here")

    return read


def _looks_like(kind: Any) -> Callable[[object], bool]:
    origin = get_origin(kind)
    if origin is list:
        return lambda value: isinstance(value, list)
    if origin is Literal:
        return lambda value: isinstance(value, str)
    if kind in (str, int, bool, type(None)):
        return lambda value: type(value) is kind
    needed = set(get_type_hints(kind)) - set(_with_default(kind))
    return lambda value: isinstance(value, dict) and needed.issubset(cast("dict[str, object]", value))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
