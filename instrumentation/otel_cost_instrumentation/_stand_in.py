"""An object that looks like another one, to the app and to whoever asks what it can do.

Special methods are looked up on a type, so a proxy that has them all claims to be iterable, to have a length, to be
awaitable. A stand-in has those of what it stands for, and no others: its type is made for that one's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

_OWN: Final = "_self_"
"""What an attribute of the stand-in itself begins with; any other belongs to what it stands for."""
_NOT_FORWARDED: Final = frozenset(
    {*dir(object), "__class_getitem__", "__del__", "__dict__", "__getattr__", "__slots__"}
)
_made: Final[dict[tuple[type, type], type]] = {}
_MOST: Final = 1_000


class StandIn:
    """Attributes, equality, copies and pickles are those of what it stands for.

    A subclass names its own attributes ``_self_…`` and, as all are, in ``__slots__``. ``mixins``: special methods to
    what has them, for those where they are to be watched and that not every such object has.
    """

    __slots__ = ("__weakref__", "__wrapped__")
    mixins: ClassVar[tuple[tuple[str, type], ...]] = ()
    __wrapped__: Any
    __class__: Any = property(lambda self: self.__wrapped__.__class__)
    __dict__: Any = property(lambda self: self.__wrapped__.__dict__)

    def __new__(cls, wrapped: object, *args: object, **more: object) -> Any:
        return object.__new__(_like(cls, type(wrapped)))

    def __init__(self, wrapped: object) -> None:
        object.__setattr__(self, "__wrapped__", wrapped)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith(_OWN):
            object.__setattr__(self, name, value)
        else:
            setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __dir__(self) -> Any:
        return dir(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __str__(self) -> str:
        return str(self.__wrapped__)

    def __eq__(self, other: object) -> Any:
        return self.__wrapped__ == other

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)


def _like(stand_in: type[StandIn], kind: type) -> type:
    """The class of stand-ins for objects of ``kind``."""
    found = _made.get((stand_in, kind))
    if found is None:
        mixins = tuple(mixin for name, mixin in stand_in.mixins if hasattr(kind, name))
        bases = (*mixins, stand_in)
        has = {name for base in bases for name in dir(base)}
        missing = [name for name in dir(kind) if name not in has and name not in _NOT_FORWARDED and _is_special(name)]
        forwarded = {name: _forward(name) for name in missing if callable(getattr(kind, name, None))}
        found = type(kind.__name__, bases, {"__slots__": (), "__module__": kind.__module__, **forwarded})
        if len(_made) < _MOST:
            _made[stand_in, kind] = found
    return found


def _is_special(name: str) -> bool:
    return name[:2] == "__" == name[-2:]


def _forward(name: str) -> Callable[..., object]:
    def call(self: Any, *args: object, **more: object) -> object:
        return getattr(self.__wrapped__, name)(*args, **more)

    return call
