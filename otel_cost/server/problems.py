"""Errors of the REST API as RFC 9457 problem details, each naming the parameter that is wrong."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from otel_cost import semconv
from otel_cost.budgets.stores import wire
from otel_cost.errors import ArchivedError, BudgetStoreBusy, BudgetStoreUnavailable, LedgerError
from otel_cost.model import Kind
from otel_cost.server.schemas import Problem

MEDIA_TYPE: Final = "application/problem+json"
ALWAYS: Final = (400, 401, 403, 410, 429, 503)
"""Problems that any route may have."""
_WHEN: Final = {
    400: "A parameter is wrong; `field` names it",
    401: "No key, or one that is not known",
    403: "A key of another role is needed",
    404: "There is no such thing, or it is out of the key's scope",
    409: "It is there already, and is another one",
    410: "Calls of these days were archived: of them there are sums, by what roll-ups are kept by",
    413: "The body is too large",
    429: "Too many requests with this key; see Retry-After",
    503: "The book, or the store of budgets, cannot be read or written right now; see Retry-After",
}
RETRY_AFTER_S: Final = 5
"""What a sender is asked to wait when the book cannot be written or read right now."""
_MEANT: Final = frozenset(Kind)
_log = logging.getLogger(semconv.LOGGER)


class BadRequest(Exception):
    """A parameter of the request is wrong."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


def problem(
    status: int,
    detail: str,
    field: str | None = None,
    headers: dict[str, str] | None = None,
    kind: str = "about:blank",
) -> Response:
    body = Problem(type=kind, title=HTTPStatus(status).phrase, status=status, detail=detail, field=field)
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, media_type=MEDIA_TYPE)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's description says of its problems, beside those that every route may have."""
    return {status: _described(status) for status in sorted({*statuses, *ALWAYS})}


def _described(status: int) -> dict[str, Any]:
    example = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": _WHEN[status]}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _WHEN[status], "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem."""
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ArchivedError, _archived)
    app.add_exception_handler(LedgerError, _ledger)
    app.add_exception_handler(BudgetStoreBusy, _store_busy)
    app.add_exception_handler(BudgetStoreUnavailable, _store_unavailable)


async def _bad_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return problem(400, str(error), error.field)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return problem(400, f"not valid JSON: {first['ctx']['error']}", "body")
    # Which of several bodies was taken to be meant is no part of the field's name.
    parts = [str(part) for part in first["loc"][1:] if part not in _MEANT]
    return problem(400, str(first["msg"]), ".".join(parts) or str(first["loc"][0]))


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, headers=dict(error.headers or {}))


async def _archived(_request: Request, error: Exception) -> Response:
    return problem(410, str(error))


async def _ledger(_request: Request, error: Exception) -> Response:
    # The text names the database and the driver's words: for the log, not for whoever asks.
    _log.error("%s", error)
    return problem(503, "the ledger cannot be read right now", headers={"Retry-After": str(RETRY_AFTER_S)})


async def _store_busy(_request: Request, error: Exception) -> Response:
    return problem(503, str(error), headers={"Retry-After": "1"}, kind=wire.BUSY)


async def _store_unavailable(_request: Request, error: Exception) -> Response:
    _log.error("%s", error)  # as above
    detail = "the budget store cannot be read or written right now"
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)}, kind=wire.UNAVAILABLE)
