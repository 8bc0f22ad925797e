"""Costs that are posted by hand, as spans like all others: so that they are priced, matched, held against budgets and
booked by the same code."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from otel_cost import semconv
from otel_cost.ended import EndedSpan
from otel_cost.items import GIVEN
from otel_cost.ledger.asking import instant_ns
from otel_cost.ledger.questions import BookedCall
from otel_cost.model import NANO, CostRecord, Kind, record_key
from otel_cost.server.problems import BadRequest
from otel_cost.server.schemas.posted import PostedInfrastructure, PostedLlm, PostedTool
from otel_cost.version import VERSION

Posted = PostedLlm | PostedTool | PostedInfrastructure
_RESOURCE: Final[Mapping[str, object]] = MappingProxyType({})
_AHEAD_NS: Final = 3600 * NANO
"""How far the clock of whoever posts may be ahead: what is beyond that would be in no report until then."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """One cost: the ``id`` that it was posted under, and its span."""

    id: str
    posted: Posted
    span: EndedSpan

    @property
    def key(self) -> str:
        return record_key(self.span.trace_id, self.span.span_id)

    def is_the_same_as(self, booked: BookedCall) -> bool:
        """Whether ``booked`` is what was posted: the same id stands for one cost, however often it is sent."""
        record, span = booked.record, self.span
        if self.posted.at is not None and record.start_ns != span.start_ns:
            return False
        return (
            record.kind.value == self.posted.kind
            and record.model_requested == _named(self.posted)
            and span.labels.items() <= record.labels.items()
            and self._costs_as(record)
        )

    def _costs_as(self, record: CostRecord) -> bool:
        if isinstance(self.posted, PostedLlm):
            counts = dict(record.usage.counts) if record.usage is not None else {}
            return record.provider == self.posted.provider and counts == self.posted.counts
        usd = self.posted.usd
        if usd is None or record.charge.source != GIVEN:
            return (usd is None) == (record.charge.source != GIVEN)
        return record.charge.amount_nano == int((usd * NANO).to_integral_value())


def by_hand(posted: Posted, fallback_id: str | None, scope: Mapping[str, str], now_ns: int) -> ByHand:
    """The span of ``posted``.

    Args:
        posted: Checked already.
        fallback_id: Its id, where it has none itself; None: one is made.
        scope: Of the key: what it books has these labels. Two scopes may use the same id for different things.
        now_ns: When it began, where it does not say so.

    Raises:
        BadRequest: it begins at a time that cannot be.
    """
    given_id = posted.id or fallback_id or secrets.token_hex(16)
    start_ns = now_ns - round(posted.duration_s * NANO) if posted.at is None else instant_ns(posted.at)
    end_ns = start_ns + round(posted.duration_s * NANO)
    if not 0 <= start_ns <= now_ns + _AHEAD_NS:
        raise BadRequest("at", "it begins before 1970, or in the future")
    trace_id, span_id = _ids(given_id, scope)
    span = EndedSpan(
        trace_id=posted.trace_id or trace_id,
        span_id=span_id,
        parent_span_id="",
        name=f"{posted.kind} {_named(posted)}",
        kind="CLIENT" if posted.kind == Kind.LLM.value else "INTERNAL",
        scope=semconv.SCOPE,
        scope_version=VERSION,
        start_ns=start_ns,
        end_ns=end_ns,
        attributes=_attributes(posted),
        resource=_RESOURCE,
        error=posted.error,
        labels={**_labels(posted), **scope},
    )
    return ByHand(given_id, posted, span)


def _ids(given_id: str, scope: Mapping[str, str]) -> tuple[str, str]:
    """Of trace and span: the same for the same id, so that it has the same record."""
    said = json.dumps([sorted(scope.items()), given_id]).encode()
    digest = blake2b(said, digest_size=24, person=b"otel-cost/id").hexdigest()
    return digest[:32], digest[32:]


def _named(posted: Posted) -> str:
    if isinstance(posted, PostedLlm):
        return posted.model
    if isinstance(posted, PostedTool):
        return posted.name
    return f"{posted.resource}_{posted.unit}" if posted.unit else posted.resource


def _labels(posted: Posted) -> Mapping[str, str]:
    if isinstance(posted, PostedTool) and posted.operation:
        return {"tool_operation": posted.operation, **posted.labels}
    return posted.labels


def _attributes(posted: Posted) -> Mapping[str, object]:
    """What a span of such a call carries, as docs/api.md has it for spans of any language."""
    if isinstance(posted, PostedLlm):
        said = _of_llm(posted)
    elif isinstance(posted, PostedTool):
        said = {
            semconv.OPERATION_NAME: semconv.OP_EXECUTE_TOOL,
            semconv.TOOL_NAME: posted.name,
            semconv.TOOL_CALL_ID: posted.request_id,
            semconv.USD: _text(posted.usd),
        }
    else:
        said = {
            semconv.OPERATION_NAME: semconv.OP_USE_RESOURCE,
            semconv.RESOURCE: _named(posted),
            semconv.QUANTITY: _text(posted.quantity),
            semconv.USD: _text(posted.usd),
        }
    if posted.kind != Kind.LLM.value:
        said[semconv.KIND] = posted.kind
    if posted.error:
        said[semconv.ERROR_TYPE] = posted.error
    return {name: value for name, value in said.items() if value is not None and value != ""}


def _of_llm(posted: PostedLlm) -> dict[str, object]:
    counts = posted.counts
    return {
        semconv.OPERATION_NAME: posted.operation,
        semconv.PROVIDER_NAME: posted.provider,
        semconv.REQUEST_MODEL: posted.model,
        semconv.RESPONSE_MODEL: posted.model,
        semconv.USAGE_INPUT_TOKENS: counts.pop("input_tokens", None),
        semconv.USAGE_OUTPUT_TOKENS: counts.pop("output_tokens", None),
        semconv.RESPONSE_ID: posted.response_id,
        semconv.SERVICE_TIER: posted.service_tier,
        **{f"{semconv.UNIT_PREFIX}{unit}": count for unit, count in counts.items()},
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
