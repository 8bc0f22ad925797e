"""``POST /v1/traces`` and ``/v1/logs``: OTLP over HTTP, as its specification says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from otel_cost import semconv
from otel_cost.errors import LedgerError
from otel_cost.server import otlp
from otel_cost.server.access import Access, Role, principal_of
from otel_cost.server.bodies import body_of
from otel_cost.server.ingest import Ingest
from otel_cost.server.otlp import Encoding, Malformed, TooLarge
from otel_cost.server.problems import RETRY_AFTER_S

CONTENT_ENCODINGS: Final = ("", "identity", "gzip", "deflate")
_log = logging.getLogger(semconv.LOGGER)
_Take = Callable[[bytes, Encoding, str, Mapping[str, str]], bytes]


class _Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def router(ingest: Ingest, access: Access, max_bytes: int) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["OTLP"], dependencies=[Depends(access.needs(Role.INGEST))])

    @routes.post("/traces", openapi_extra=_openapi("ExportTraceServiceRequest"))
    async def traces(request: Request) -> Response:
        """Spans from any language. Those of GenAI calls are priced, or their verdict adopted, and booked once."""
        return await _export(request, ingest.traces, max_bytes)

    @routes.post("/logs", openapi_extra=_openapi("ExportLogsServiceRequest"))
    async def logs(request: Request) -> Response:
        """Charge events, which stand for calls that were not sampled, and events of apps' own budgets; no other log
        records."""
        return await _export(request, ingest.logs, max_bytes)

    return routes


async def _export(request: Request, take: _Take, max_bytes: int) -> Response:
    encoding = encoding_of(request)
    try:
        if encoding is None:
            raise _Refused(415, f"Content-Type must be {' or '.join(known.value for known in Encoding)}")
        content_encoding = request.headers.get("content-encoding", "").strip().lower()
        if content_encoding not in CONTENT_ENCODINGS:
            raise _Refused(415, "Content-Encoding must be gzip, deflate or identity")
        body = await body_of(request, max_bytes)
        scope = principal_of(request).scope
        answer = await run_in_threadpool(take, body, encoding, content_encoding, scope)
    except (_Refused, TooLarge, Malformed, LedgerError) as error:
        return _refusal(error, encoding or Encoding.JSON)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    return Response(answer, media_type=encoding.value)


def encoding_of(request: Request) -> Encoding | None:
    """The encoding that the content type of a request names."""
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return next((encoding for encoding in Encoding if encoding.value == content_type), None)


def _refusal(error: Exception, encoding: Encoding) -> Response:
    headers: dict[str, str] = {}
    if isinstance(error, LedgerError):
        # The sender keeps its batch and repeats it; booking it twice changes nothing.
        _log.error("%s", error)
        status, text = 503, "the ledger cannot be written right now"
        headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, _Refused):
        status, text = error.status, str(error)
    else:
        status, text = 413 if isinstance(error, TooLarge) else 400, str(error)
    body = otlp.encode(otlp.error_response(text), encoding)
    return Response(body, status, headers, media_type=encoding.value)


def _openapi(message: str) -> dict[str, object]:
    schema = {"description": f"{message} of the OTLP specification"}
    content = {
        Encoding.PROTOBUF.value: {"schema": {**schema, "type": "string", "format": "binary"}},
        Encoding.JSON.value: {"schema": {**schema, "type": "object"}},
    }
    statuses = {
        "400": "Malformed",
        "401": "A key is missing, or wrong",
        "403": "The key is not of role ingest",
        "413": "Larger than allowed, before or after decompression",
        "415": "Another content type or encoding",
        "429": "Too many wrong keys",
        "503": "Not booked; repeat it after Retry-After seconds",
    }
    return {
        "requestBody": {"required": True, "content": content},
        "responses": {status: {"description": text} for status, text in statuses.items()},
    }
