"""``GET /api/v1/costs/entries`` and ``/export``: the calls themselves, by the page or all of them."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from otel_cost.ledger.asking import iso
from otel_cost.ledger.questions import MAX_PAGE, BookedCall, CallQuery
from otel_cost.ledger.sheets import COLUMNS, row_of
from otel_cost.server.access import Access, Role
from otel_cost.server.cursors import MAX_LENGTH, Cursor
from otel_cost.server.parameters import Asked, PeriodWords, Words
from otel_cost.server.problems import described
from otel_cost.server.reading import Reader, place_of
from otel_cost.server.schemas.calls import Entry, EntryPage
from otel_cost.server.schemas.period import narrowed

_Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Calls on a page", examples=[100])]
_Cursor = Annotated[
    str | None,
    Query(max_length=MAX_LENGTH, description="next_cursor of the page before; filters and period as there",
          examples=["eyJ2IjoxfQ"]),
]  # fmt: skip
Format = Literal["csv", "json", "jsonl"]
_Format = Annotated[Format, Query(alias="format", description="jsonl: one object a line", examples=["csv"])]
_MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
}
_Pages = Iterator[Sequence[BookedCall]]


def router(reader: Reader, words: Words, access: Access) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1/costs", tags=["costs"], dependencies=[Depends(access.needs(Role.VIEWER))],
        responses=described(),
    )  # fmt: skip

    @routes.get("/entries", summary="The calls themselves, page by page", openapi_extra=words.described())
    def cost_entries(
        request: Request, period: Annotated[PeriodWords, Depends()], limit: _Limit = 100, cursor: _Cursor = None
    ) -> EntryPage:
        """Every call of a period with its present verdict, newest first: wrappers and duplicates too, whose money is
        another call's. Any other parameter is a filter: `kind=tool`, `service=shop`, `status=unpriced`."""
        span = words.period(period)
        asked = words.asked(request, span)
        question = {**asked.query.filters, **_said(period)}
        after = None
        if cursor is not None:
            place = Cursor.read(cursor, question)
            asked, after = words.asked(request, (place.from_ns, place.to_ns)), place.after
        calls = reader.calls(_query(asked, limit, after), visible=asked.visible)
        following = Cursor(asked.query.from_ns, asked.query.to_ns, place_of(calls[-1])) if calls else None
        return EntryPage.model_validate(
            {
                **narrowed(asked.query),
                "entries": [Entry.of(call) for call in calls],
                "next_cursor": following.text(question) if following and len(calls) == limit else None,
            }
        )

    @routes.get(
        "/export",
        summary="All calls of a period, as a file",
        response_class=Response,
        responses={200: {"description": "The file", "content": _content()}},
        openapi_extra=words.described(),
    )
    def export_entries(
        request: Request, period: Annotated[PeriodWords, Depends()], format_: _Format = "csv"
    ) -> StreamingResponse:
        """Every call of a period, newest first, as CSV (for spreadsheets: no cell is a formula), JSON or JSON lines. It
        is streamed: a file of a month takes no memory here. Any other parameter is a filter."""
        asked = words.asked(request, words.period(period))
        pages = reader.all_calls(_query(asked, MAX_PAGE, None), visible=asked.visible)
        # The first page is read before anything is said: a book that cannot be read is a 503, not a broken file.
        pages = itertools.chain([next(pages)], pages)
        begins = iso(asked.query.from_ns)[:10]
        headers = {"Content-Disposition": f'attachment; filename="otel-cost-{begins}.{format_}"'}
        return StreamingResponse(_WRITERS[format_](pages), headers=headers, media_type=_MEDIA_TYPES[format_])

    return routes


def _said(period: PeriodWords) -> dict[str, str]:
    """How the period was said, under names that no filter has."""
    return {"\0from": period.from_ or "", "\0to": period.to or "", "\0days": str(period.days or "")}


def _query(asked: Asked, limit: int, after: tuple[int, str] | None) -> CallQuery:
    query = asked.query
    return CallQuery(query.from_ns, query.to_ns, query.filters, after, limit)


def _content() -> dict[str, dict[str, object]]:
    example = {"csv": f"{','.join(COLUMNS[:5])},...", "json": [{"kind": "llm"}], "jsonl": '{"kind": "llm"}'}
    return {
        _MEDIA_TYPES[style]: {"schema": {"type": "array" if style == "json" else "string"}, "example": example[style]}
        for style in _MEDIA_TYPES
    }


def _as_csv(pages: _Pages) -> Iterator[str]:
    yield _lines([COLUMNS])
    for page in pages:
        yield _lines([row_of(call) for call in page])


def _lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _as_json(pages: _Pages) -> Iterator[str]:
    yield "["
    before = ""
    for page in pages:
        if page:
            yield before + ",\n".join(Entry.of(call).model_dump_json() for call in page)
            before = ",\n"
    yield "]\n"


def _as_lines(pages: _Pages) -> Iterator[str]:
    for page in pages:
        yield "".join(f"{Entry.of(call).model_dump_json()}\n" for call in page)


_WRITERS: Final[Mapping[Format, Callable[[_Pages], Iterator[str]]]] = {
    "csv": _as_csv,
    "json": _as_json,
    "jsonl": _as_lines,
}
