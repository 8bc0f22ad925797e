"""``POST /api/v1/costs/entries``: costs by hand, from any language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.exceptions import HTTPException

from otel_cost.ledger.base import bookable
from otel_cost.ledger.questions import BookedCall
from otel_cost.model import CostRecord
from otel_cost.server.access import Access, Role, principal_of
from otel_cost.server.by_hand import ByHand, Posted, by_hand
from otel_cost.server.ingest import Ingest
from otel_cost.server.parameters import Words, needs_one_of, only_own
from otel_cost.server.problems import BadRequest, described
from otel_cost.server.reading import Reader
from otel_cost.server.schemas.posted import BookedBatch, BookedCost, PostedBatch
from otel_cost.server.schemas.posted import Posted as PostedBody

_Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", pattern="^[!-~]{1,200}$",
           description="Instead of id: what is sent again under it is booked once",
           examples=["b7a1d2a0-6f0e-4d8e-9d5a-1f6c2b7e9a11"]),
]  # fmt: skip
_CREATED: Final = 201


def router(reader: Reader, words: Words, access: Access, ingest: Ingest) -> APIRouter:
    needs = [*needs_one_of(access, Role.INGEST, Role.EDITOR), Depends(only_own)]
    routes = APIRouter(prefix="/api/v1/costs/entries", tags=["costs"], dependencies=needs, responses=described(409))

    @routes.post(
        "",
        summary="Book a cost by hand",
        status_code=_CREATED,
        responses={200: {"model": BookedCost, "description": "It had been booked under this id before"}},
    )
    def book_cost(request: Request, response: Response, posted: PostedBody, idempotency_key: _Key = None) -> BookedCost:
        """Book what no instrumentation saw: a model's call (priced here, at the prices of its time), a paid tool, or
        the use of a resource. The answer has the charge. Send an `id` or an `Idempotency-Key`, and repeat the request
        as often as it takes: it is booked once. Another cost under the same id is a 409."""
        if idempotency_key and posted.id and idempotency_key != posted.id:
            raise BadRequest("id", "id and Idempotency-Key differ; leave one out")
        (booked,) = _booked(request, [_made(request, posted, idempotency_key, words)], ["body"])
        response.status_code = _CREATED if booked.created else 200
        return booked

    @routes.post(
        "/batch",
        summary="Book up to 1000 costs by hand",
        status_code=_CREATED,
        responses={200: {"model": BookedBatch, "description": "All of them had been booked before"}},
    )
    def book_costs(
        request: Request, response: Response, batch: PostedBatch, idempotency_key: _Key = None
    ) -> BookedBatch:
        """Book all of them, or none where one is wrong. Those without an id have the `Idempotency-Key` and their place
        as theirs."""
        made = [
            _made(request, posted, f"{idempotency_key}#{place}" if idempotency_key else None, words, f"entries.{place}")
            for place, posted in enumerate(batch.entries)
        ]
        booked = _booked(request, made, [f"entries.{place}" for place in range(len(made))])
        response.status_code = _CREATED if any(one.created for one in booked) else 200
        return BookedBatch(entries=booked)

    def _booked(request: Request, made: Sequence[ByHand], fields: Sequence[str]) -> list[BookedCost]:
        _check_different(made, fields)
        before = _booked_before(reader, made)
        for one, field in zip(made, fields, strict=True):
            if one.key in before and not one.is_the_same_as(before[one.key]):
                raise HTTPException(409, f"{field}: {one.id!r} is booked already, and is another cost")
        new = [one for one in made if one.key not in before]
        booked, rejected = ingest.book([one.span for one in new], principal_of(request).scope)
        if rejected.count:
            raise HTTPException(409, "; ".join(rejected.reasons))
        records = dict(zip((one.key for one in new), booked, strict=True))
        return [
            BookedCost.of(one.id, before[one.key].record, created=False)
            if one.key in before
            else BookedCost.of(one.id, _record(records[one.key], field), created=True)
            for one, field in zip(made, fields, strict=True)
        ]

    return routes


def _made(request: Request, posted: Posted, fallback_id: str | None, words: Words, where: str = "") -> ByHand:
    scope = principal_of(request).scope
    for name, value in scope.items():
        if posted.labels.get(name, value) != value:
            raise HTTPException(403, f"the key books for {name}={value!r} only, and labels.{name} is another")
    try:
        return by_hand(posted, fallback_id, scope, words.clock())
    except BadRequest as error:
        raise BadRequest(f"{where}.{error.field}" if where else error.field, str(error)) from error


def _check_different(made: Sequence[ByHand], fields: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for one, field in zip(made, fields, strict=True):
        if seen.setdefault(one.key, field) != field:
            raise BadRequest(f"{field}.id", f"the same id as {seen[one.key]}")


def _booked_before(reader: Reader, made: Sequence[ByHand]) -> Mapping[str, BookedCall]:
    known = reader.known([one.key for one in made])
    return {
        one.key: call
        for one in made
        if one.key in known
        for call in reader.calls_of(one.span.trace_id)
        if call.record.key == one.key
    }


def _record(record: CostRecord | None, field: str) -> CostRecord:
    if record is None:
        raise BadRequest(f"{field}.operation", "this operation costs nothing by itself, and is not booked")
    return bookable(record) or record
