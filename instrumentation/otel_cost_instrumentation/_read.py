"""Reading values that were made elsewhere: SDK objects, decoded JSON, request bodies. Nothing here keeps what it reads.

A field that is absent or of another type than expected reads as nothing, so that an SDK that changed leaves an
attribute out rather than writing a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.util.types import AttributeValue

Attributes = dict[str, AttributeValue]

_ENCODED_FILE_BYTES: Final = 6_000
"""What an inline image or document counts for: 1,500 tokens at four bytes each, about one full-size image. (OpenAI
bills 765 to 1,445 tokens for a high-detail image, Anthropic about 1,600.) Its base64 text says nothing about tokens."""


def field(value: object, *path: str) -> object:
    """The value at ``path`` in an object or a decoded JSON object; None where a step is missing."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


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


def present(values: Mapping[str, AttributeValue | None]) -> Attributes:
    """``values`` without what was not reported (None) or is empty text. A zero stays."""
    return {name: value for name, value in values.items() if value is not None and value != ""}


def parts(values: Mapping[str, int | None]) -> Attributes:
    """Counts of parts of a total that are not 0: an absent part means the same, and a span stays small."""
    return {name: value for name, value in values.items() if value}


def parameters(body: object, names: Mapping[str, tuple[str, type]]) -> Attributes:
    """Request parameters as attributes. ``names``: attribute to (field of the body, type to write it as)."""
    found: Attributes = {}
    for attribute, (name, kind) in names.items():
        value = field(body, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[attribute] = kind(value)
    return found


def text_bytes(*values: object) -> int:
    """UTF-8 bytes of all text in ``values``, keys included: keys stand for the few tokens that structure costs."""
    total = 0
    stack: list[object] = list(values)
    while stack:
        item = stack.pop()
        if item is None:
            continue
        if isinstance(item, str):
            total += len(item) if item.isascii() and not item.startswith("data:") else _odd_bytes(item)
        elif isinstance(item, dict):
            total += sum(len(key) for key in item if isinstance(key, str))
            stack.extend(item.values() if item.get("type") != "base64" else (_ENCODED_FILE,))
        elif isinstance(item, list | tuple):
            stack.extend(item)
        elif isinstance(item, int):
            total += 4  # a token that the client has already cut
        elif hasattr(type(item), "model_fields"):
            stack.extend(vars(item).values())
    return total


def _odd_bytes(item: str) -> int:
    return _ENCODED_FILE_BYTES if item.startswith("data:") else len(item.encode("utf-8", "surrogatepass"))


_ENCODED_FILE: Final = "data:"


def estimated_tokens(seen_bytes: int) -> int:
    """Four bytes of UTF-8 a token, rounded up: the usual rule of thumb for English; other scripts need fewer bytes."""
    return -(-seen_bytes // 4)


def usage_of(value: object, read: Callable[[object], Attributes]) -> Attributes:
    """``read`` applied to the ``usage`` of ``value``; nothing where there is none."""
    usage = field(value, "usage")
    return {} if usage is None else read(usage)
