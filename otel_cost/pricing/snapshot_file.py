"""Price data that was fetched, in a file: the public types of ``genai-prices`` as JSON, and back.

Only types from a closed list are made, and only what prices need is kept: no descriptions, no extraction rules.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from otel_cost.errors import PricesUnavailable
from otel_cost.pricing.documents import as_mapping, as_sequence

if TYPE_CHECKING:
    from genai_prices.types import Provider

_FORMAT: Final = 1
_TYPE: Final = "type"
_LEFT_OUT: Final = frozenset({"description", "extractors", "price_comments", "pricing_urls"})
_DATACLASSES: Final = (
    "Provider",
    "ModelInfo",
    "TieredPrices",
    "Tier",
    "ConditionalPrice",
    "PriceVariant",
    "StartDateConstraint",
    "TimeOfDateConstraint",
    "ClauseStartsWith",
    "ClauseEndsWith",
    "ClauseContains",
    "ClauseRegex",
    "ClauseEquals",
    "ClauseOr",
    "ClauseAnd",
)


@dataclass(frozen=True, slots=True)
class FetchedPrices:
    """Price data, when it was fetched (ISO 8601, UTC), from where, and eight hex digits of its hash."""

    providers: list[Provider]
    fetched_at: str
    origin: str
    digest: str


def digest_of(providers: list[Provider]) -> str:
    """Eight hex digits that change whenever a price, its dates, or what it applies to changes."""
    return _hash([_encode(provider) for provider in providers])


def write(path: Path, fetched: FetchedPrices) -> None:
    """Put ``fetched`` at ``path``, whole or not at all.

    Raises:
        PricesUnavailable: the file cannot be written.
    """
    document = {
        "format": _FORMAT,
        "fetched_at": fetched.fetched_at,
        "origin": fetched.origin,
        "digest": fetched.digest,
        "providers": [_encode(provider) for provider in fetched.providers],
    }
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(_dumped(document), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise PricesUnavailable(f"{path}: cannot be written: {error.strerror}") from error


def read(path: Path) -> FetchedPrices:
    """The data at ``path``.

    Raises:
        PricesUnavailable: there is no such file, or it is not what :func:`write` makes with this release.
    """
    try:
        document = as_mapping(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise PricesUnavailable(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PricesUnavailable(f"{path}: is not JSON: {error}") from error
    if document is None or document.get("format") != _FORMAT:
        raise PricesUnavailable(f"{path}: is not price data of this release; run otel-cost prices update again")
    try:
        providers = _providers(document["providers"], document["digest"])
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise PricesUnavailable(f"{path}: is damaged; run otel-cost prices update again ({error!r:.80})") from error
    return FetchedPrices(
        providers, str(document.get("fetched_at", "")), str(document.get("origin", "")), digest_of(providers)
    )


def _providers(encoded: object, digest: object) -> list[Provider]:
    """Raises one of several errors where ``encoded`` is no list of providers, or not what was written."""
    from genai_prices.types import Provider

    # By what stands in the file: a later release may know fields that are not there.
    if _hash(encoded) != digest:
        raise ValueError("the prices are not those that were written")
    found = _decode(encoded)
    if not isinstance(found, list) or not found or not all(isinstance(item, Provider) for item in found):
        raise ValueError("no list of providers")
    return cast("list[Provider]", found)


def _hash(encoded: object) -> str:
    return hashlib.sha256(_dumped(encoded).encode()).hexdigest()[:8]


def _dumped(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return {_TYPE: "Decimal", "is": str(value)}
    if isinstance(value, date | time):
        return {_TYPE: type(value).__name__, "is": value.isoformat()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        return {_TYPE: "dict", "is": {str(key): _encode(item) for key, item in value.items()}}
    if type(value).__name__ == "ModelPrice":
        return {_TYPE: "ModelPrice", **{key: _encode(rate) for key, rate in vars(value).items() if rate is not None}}
    if is_dataclass(value):
        named = {field.name: getattr(value, field.name) for field in fields(value) if field.name not in _LEFT_OUT}
        return {_TYPE: type(value).__name__, **{key: _encode(part) for key, part in named.items() if part is not None}}
    return value


def _decode(value: object) -> object:
    items, data = as_sequence(value), as_mapping(value)
    if items is not None:
        return [_decode(item) for item in items]
    return value if data is None else _decode_typed(data)


def _decode_typed(data: Mapping[str, object]) -> object:
    from genai_prices import types

    name = data[_TYPE]
    if name == "Decimal":
        return Decimal(str(data["is"]))
    if name in ("date", "time"):
        return (date if name == "date" else time).fromisoformat(str(data["is"]))
    if name == "dict":
        return {key: _decode(part) for key, part in (as_mapping(data["is"]) or {}).items()}
    parts = {key: _decode(part) for key, part in data.items() if key != _TYPE}
    if name == "ModelPrice":
        return types.ModelPrice(**cast("dict[str, Decimal]", parts))
    if name not in _DATACLASSES:
        raise ValueError(f"unknown type {name!r:.40}")
    return getattr(types, str(name))(**parts)
