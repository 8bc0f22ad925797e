"""Langfuse's observations: its exports to blob storage and from its pages, and what its API gives.

Field names are ``usage_details`` in the one and ``usageDetails`` in the other; both are read. Earlier forms have
``usage`` (``input``, ``output``, ``unit``) or ``promptTokens``. Usage is disjoint there: ``input`` leaves out what is
cached. Times are UTC. Langfuse's cost is by its own price list, or what the app said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from otel_cost import semconv
from otel_cost.dialects import langfuse as dialect
from otel_cost.importing import values
from otel_cost.importing.calls import KNOWN_LABELS, Call, Costs, call, stated
from otel_cost.importing.values import BadRow
from otel_cost.model import NANO, OpinionSource
from otel_cost.server.otlp import UNKNOWN_ERROR

_SCOPE: Final = "langfuse-sdk"
_HEX: Final = frozenset("0123456789abcdef")
_NEVER: Final = frozenset({"span", "event", ""})
_TOKENS: Final = frozenset({"", "TOKENS"})


def fits(row: Mapping[str, object]) -> bool:
    named = {plain(name) for name in row}
    return {"id", "traceid", "type", "starttime"} <= named


def plain(name: str) -> str:
    """A field's name, as both ways to write it are compared."""
    return name.replace("_", "").replace(" ", "").lower()


def calls(row: Mapping[str, object], costs: Costs) -> Sequence[Call]:
    """The call of one observation; none where it is a span or an event, or says nothing of a model.

    Raises:
        BadRow: it has no id or no time, or its cost is no amount.
    """
    seen = {plain(name): value for name, value in row.items()}
    kind = values.text(seen, "type").lower()
    used = _used(seen)
    model = values.text(seen, "providedmodelname", "model", "modelname")
    if kind in _NEVER or not (model or used):
        return ()
    observation = values.text(seen, "id")
    if not observation:
        raise BadRow("it has no id")
    start_ns = values.instant(seen, "starttime")
    end_ns = values.optional_instant(seen, "endtime") or start_ns
    metadata = values.mapping(seen.get("metadata"))
    attributes = {
        "langfuse.observation.type": kind,
        "langfuse.observation.model.name": model,
        f"{dialect.PARAMETERS}.service_tier": values.text(values.mapping(seen.get("modelparameters")), "service_tier"),
        **_of_its_span(metadata),
        **{f"{dialect.USAGE}.{name}": count for name, count in used.items()},
        **_streamed(seen, start_ns, end_ns),
        **_cost(seen, costs),
    }
    trace = _hex(values.text(seen, "traceid") or observation, 32)
    parent = values.text(seen, "parentobservationid")
    return (
        call(
            (trace, _hex(observation, 16)),
            (start_ns, end_ns),
            _SCOPE,
            attributes,
            name=values.text(seen, "name"),
            parent=_hex(parent, 16) if parent else "",
            error=UNKNOWN_ERROR if values.text(seen, "level") == "ERROR" else "",
            labels=_labels(seen, metadata),
        ),
    )


def _hex(said: str, digits: int) -> str:
    """An id of OpenTelemetry's as it is, so that the span itself has the same; of another one, what stands for it."""
    found = said.replace("-", "").lower()
    return found if len(found) == digits and _HEX.issuperset(found) else values.ids("langfuse", said)[0][:digits]


def _used(seen: Mapping[str, object]) -> dict[str, object]:
    usage = values.mapping(seen.get("usage"))
    if values.text(usage, "unit").upper() not in _TOKENS:
        return {}
    details = values.mapping(seen.get("usagedetails")) or {
        "input": usage.get("input", seen.get("prompttokens", seen.get("inputtokens"))),
        "output": usage.get("output", seen.get("completiontokens", seen.get("outputtokens"))),
    }
    counts = {name: values.count(found) for name, found in details.items()}
    known = {name: count for name, count in counts.items() if count is not None}
    # Earlier forms have 0 where nothing is known.
    return known if any(known.values()) or values.mapping(seen.get("usagedetails")) else {}


def _cost(seen: Mapping[str, object], costs: Costs) -> dict[str, object]:
    details = values.mapping(seen.get("costdetails"))
    total = details.get("total", seen.get("totalcost", seen.get("calculatedtotalcost")))
    figures = {"total_cost": total} if total not in (None, "") else dict(details)
    nano = values.usd_nano(figures, *figures)
    if not nano:
        return {}
    if costs is Costs.THEIRS:
        return stated(nano, f"foreign:{OpinionSource.LANGFUSE}")
    return {dialect.COSTS: figures}


def _of_its_span(metadata: Mapping[str, object]) -> dict[str, object]:
    """What is kept of the span that an observation was made of, if it was: whom it asked, and the answer's id."""
    span = values.mapping(metadata.get("attributes"))
    return {
        semconv.PROVIDER_NAME: values.text(span, semconv.PROVIDER_NAME, semconv.SYSTEM)
        or values.text(metadata, "ls_provider"),
        semconv.RESPONSE_ID: values.text(span, semconv.RESPONSE_ID),
        semconv.SERVER_ADDRESS: values.text(span, semconv.SERVER_ADDRESS),
    }


def _streamed(seen: Mapping[str, object], start_ns: int, end_ns: int) -> dict[str, object]:
    first_ns = values.optional_instant(seen, "completionstarttime")
    if first_ns is None or not start_ns <= first_ns <= end_ns:
        return {}
    return {semconv.REQUEST_STREAM: True, semconv.RESPONSE_TIME_TO_FIRST_CHUNK: (first_ns - start_ns) / NANO}


def _labels(seen: Mapping[str, object], metadata: Mapping[str, object]) -> dict[str, str]:
    return {
        **{name: values.text(metadata, name) for name in KNOWN_LABELS},
        "user": values.text(seen, "userid"),
        "session": values.text(seen, "sessionid"),
        "environment": values.text(seen, "environment"),
        "trace_name": values.text(seen, "tracename"),
        "release": values.text(seen, "release"),
        "tags": ",".join(values.texts(seen.get("tags"))),
    }
