"""Reading values that were made elsewhere: SDK objects, decoded JSON, request bodies. Nothing here keeps what it reads.

A field that is absent or of another type than expected reads as nothing, so that an SDK that changed leaves an
attribute out rather than writing a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from opentelemetry.util.types import AttributeValue

Attributes = dict[str, AttributeValue]
Names = Mapping[str, str]
"""Attribute to the name of the field that it is read from."""

FILE_TOKENS: Final = 1_500
"""What an image, a sound or a document counts for: about one full-size image or two minutes of sound. (OpenAI bills 765
to 1,445 tokens for a high-detail image and 10 for a second of sound, Anthropic about 1,600 for an image.) Its base64
text says nothing about tokens."""


def field(value: object, *path: str) -> object:
    """The value at ``path`` in an object or a decoded JSON object; None where a step is missing."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else _attribute(value, name)
    return value


def _attribute(value: object, name: str) -> object:
    """As ``getattr``, None where there is none."""
    if _says_slowly[type(value), name]:
        fields = value.__dict__
        if name in fields:
            return fields[name]
        extra: dict[str, object] | None = getattr(value, "__pydantic_extra__", None)
        return extra.get(name) if extra else None
    return getattr(value, name, None)


class _SaysSlowly(dict[tuple[type, str], bool]):
    """Whether a class is pydantic's and has nothing of its own under a name, but perhaps a field. Remembered: its
    instances take microseconds to say what they have not."""

    def __missing__(self, key: tuple[type, str]) -> bool:
        kind, name = key
        own = {name, "__getattr__"}
        # What begins with a line is no field: pydantic keeps it elsewhere.
        found = (
            name[0] != "_"
            and hasattr(kind, "__pydantic_extra__")
            and all(
                name not in base.__dict__ if base.__module__ == _PYDANTIC else own.isdisjoint(base.__dict__)
                for base in kind.__mro__
            )
        )
        if len(self) < 10_000:
            self[key] = found
        return found


_PYDANTIC: Final = "pydantic.main"
_says_slowly: Final = _SaysSlowly()


def count(value: object, *path: str) -> int | None:
    """The whole number at ``path``, or None."""
    found = field(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def text(value: object, *path: str) -> str:
    """The string at ``path``, or an empty one."""
    found = field(value, *path)
    return found if isinstance(found, str) else ""


def items(value: object, *path: str) -> list[object]:
    """The list at ``path``, or an empty one. A generator is left alone: reading it would take it from the app."""
    found = field(value, *path)
    return list(found) if isinstance(found, list | tuple) else []


def texts(value: object, names: Names) -> Attributes:
    """The strings among the fields of ``value`` that are not empty. ``names``: attribute to field."""
    found: Attributes = {}
    for attribute, name in names.items():
        text = value.get(name) if isinstance(value, dict) else _attribute(value, name)
        if text and isinstance(text, str):
            found[attribute] = text
    return found


def totals(value: object, names: Names) -> Attributes:
    """The whole numbers among the fields of ``value``. An explicit zero is a zero."""
    found: Attributes = {}
    for attribute, name in names.items():
        number = value.get(name) if isinstance(value, dict) else _attribute(value, name)
        if isinstance(number, int) and number is not True and number is not False:
            found[attribute] = number
    return found


def parts(value: object, names: Names) -> Attributes:
    """As :func:`totals`, for parts of a total: an absent part means the same as a zero, and a span stays small."""
    return {} if value is None else {name: number for name, number in totals(value, names).items() if number}


def numbers(value: object, names: Names) -> Attributes:
    """The numbers among the fields of ``value``, as floats."""
    found: Attributes = {}
    for attribute, name in names.items():
        number = field(value, name)
        if isinstance(number, int | float) and not isinstance(number, bool):
            found[attribute] = float(number)
    return found


class Unread(NamedTuple):
    """What is sent beside text. ``tokens``: what it counts for; ``file``: its content is not seen."""

    tokens: int
    file: bool = False


def text_bytes(*values: object) -> int:
    """UTF-8 bytes of all text in ``values``, and four for each token of what is no text."""
    total = 0
    for piece in sent(*values):
        if isinstance(piece, Unread):
            total += _BYTES_A_TOKEN * piece.tokens
        else:
            total += len(piece) if piece.isascii() else len(piece.encode("utf-8", "surrogatepass"))
    return total


def sent(*values: object) -> Iterator[str | Unread]:
    """All text in ``values``, in no particular order, and what stands between. Keys are text: they stand for the few
    tokens that structure costs.

    Looks at so many values and no more: what is sent may be huge, or contain itself. The rest counts nothing.
    """
    stack: list[object] = list(values)
    for _ in range(_LOOKED_AT):
        if not stack:
            break
        item = stack.pop()
        if item is None:
            continue
        if isinstance(item, str):
            yield _FILE if item.startswith(_ENCODED_FILE) else item
        elif isinstance(item, dict):
            for key in item:
                if isinstance(key, str):
                    yield key
            stack.extend(_readable(item))
        elif isinstance(item, list | tuple):
            if item and type(item[0]) is int:
                yield Unread(len(item))  # tokens that the client has already cut
            else:
                stack.extend(item)
        elif isinstance(item, int):
            yield _NUMBER
        elif hasattr(type(item), "model_fields"):
            stack.extend(_readable(vars(item)))


_BYTES_A_TOKEN: Final = 4
_FILE: Final = Unread(FILE_TOKENS, file=True)
_NUMBER: Final = Unread(1)
_LOOKED_AT: Final = 50_000
"""Values: thousands of messages, and about a tenth of a second."""
_ENCODED_FILE: Final = "data:"
_ENCODED: Final = frozenset({"data", "encrypted_content", "file_data", "result", "signature", "thoughtSignature"})
"""Fields that may hold base64."""
_NAMES: Final = frozenset({"call_id", "id", "tool_call_id", "tool_use_id"})
"""Fields that may hold a name which only machines read: no tokens, or few."""
_PLACES: Final = frozenset({"file_id", "file_url", "image_url", "url"})
"""Fields that may say where a file is."""
_ODD: Final = _ENCODED | _NAMES | _PLACES


def _readable(fields: dict[str, object]) -> Iterable[object]:
    """The values of a block of content, where base64 is a file, or nothing."""
    if _ODD.isdisjoint(fields):
        return fields.values()
    kind = fields.get("type")
    if kind == "base64":
        return (_ENCODED_FILE,)
    return [
        _decoded(kind, name, fields) if name in _ODD and isinstance(value, str) else value
        for name, value in fields.items()
    ]


def _decoded(kind: object, name: str, fields: dict[str, object]) -> object:
    """What an odd field stands for: a file; nothing, for names and for thoughts that only the provider can read; or
    itself."""
    if name in _NAMES or name in ("encrypted_content", "signature", "thoughtSignature") or kind == "redacted_thinking":
        return None
    if name in _PLACES:
        # A link in a text's own fields is text; a block that is nothing but a link is what it leads to.
        linked = name != "url" or kind == "url" or fields.keys() <= {"url", "detail"}
        return _ENCODED_FILE if linked else fields[name]
    audio = name == "data" and not fields.keys().isdisjoint(("format", "mimeType"))
    image = name == "result" and kind == "image_generation_call"
    return _ENCODED_FILE if audio or image or name == "file_data" else fields[name]
