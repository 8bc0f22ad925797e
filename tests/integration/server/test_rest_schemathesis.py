"""The API against its own description, with whatever comes to schemathesis's mind: no 5xx, and every answer is as
described."""

from __future__ import annotations

from typing import Final

from schemathesis.checks import load_all_checks

_ENDLESS: Final = "/api/v1/costs/stream"
_NOT_FOR_PEOPLE: Final = "/api/v1/budget-store/{method}"
_CHECKED: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
load_all_checks()
