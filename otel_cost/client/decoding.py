"""JSON to frozen values, by their annotations. What an answer has beyond them is of a later release, and left out."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints

from otel_cost.client.values import IN_API

_T = TypeVar("_T")
_Decode = Callable[[Any], Any]


class Unreadable(ValueError):
    """An answer that is not what this release knows; the text says where."""


def decoded(kind: type[_T], body: bytes) -> _T:
    """The value of ``kind`` that the JSON in ``body`` stands for.

    Raises:
        Unreadable: it is none, or something is missing in it.
    """
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"no JSON: {error}") from error
    return cast("_T", _decoder(cast("Any", kind))(found))


@cache
def _decoder(hint: Any) -> _Decode:
    """How a value of that annotation is read."""
    if is_dataclass(hint):
        return _dataclass(cast("type[object]", hint))
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        inner = _decoder(next(argument for argument in arguments if argument is not type(None)))
        return lambda found: None if found is None else inner(found)
    if origin is tuple:
        item = _decoder(arguments[0])
        return lambda found: tuple(map(item, _checked(list, found)))
    if origin is Mapping:
        value = _decoder(arguments[1])
        return lambda found: {str(key): value(inner) for key, inner in _checked(dict, found).items()}
    return _PLAIN[hint]


def _dataclass(kind: type[object]) -> _Decode:
    hints = get_type_hints(kind)
    known = [(item.name, IN_API.get(item.name, item.name), hints[item.name]) for item in fields(cast(Any, kind))]

    def read(found: Any) -> object:
        given: dict[str, Any] = _checked(dict, found)
        values: dict[str, object] = {}
        for name, in_api, hint in known:
            if in_api not in given:
                raise Unreadable(f"{in_api} is missing")
            try:
                values[name] = _decoder(hint)(given[in_api])
            except Unreadable as error:
                raise Unreadable(f"{in_api}: {error}") from None
        return kind(**values)

    return read


def _checked(kind: type[_T], found: object) -> _T:
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise Unreadable(f"{found!r:.40} is no {kind.__name__}")
    return found


def _number(found: object) -> float:
    return float(_checked(int, found) if isinstance(found, int) else _checked(float, found))


def _decimal(found: object) -> Decimal:
    try:
        return Decimal(_checked(str, found))
    except InvalidOperation as error:
        raise Unreadable(f"{found!r:.40} is no number") from error


def _instant(found: object) -> datetime:
    try:
        return datetime.fromisoformat(_checked(str, found))
    except ValueError as error:
        raise Unreadable(f"{found!r:.40} is no time") from error


_PLAIN: Final[Mapping[Any, _Decode]] = {
    str: lambda found: _checked(str, found),
    int: lambda found: _checked(int, found),
    bool: lambda found: _checked(bool, found),
    float: _number,
    Decimal: _decimal,
    datetime: _instant,
}
