"""Small files of every kind, with what they come to."""

from __future__ import annotations

import json
from pathlib import Path

LITELLM = {
    "call_type": "acompletion",
    "spend": 0.00024,
    "total_tokens": 1200,
    "prompt_tokens": 1000,
    "completion_tokens": 200,
    "endTime": "2026-10-05T10:00:02Z",
    "model": "gpt-4o-mini",
    "custom_llm_provider": "openai",
    "metadata": {
        "usage_object": {"prompt_tokens_details": {"cached_tokens": 400}},
        "user_api_key_team_alias": "search",
    },
    "cache_hit": "False",
}
LITELLM_NANO = 600 * 150 + 400 * 75 + 200 * 600
"""gpt-4o-mini: 0.15, 0.075 and 0.60 USD per million tokens."""
LOG = {
    "user_id": "ada",
    "provider": "openai",
    "model": "gpt-4o-mini",
    "endpoint": "/v1/chat/completions",
    "is_streaming": False,
    "input_tokens": 1000,
    "output_tokens": 200,
    "total_tokens": 1200,
    "input_cost": 0.0002,
    "output_cost": 0.0002,
    "total_cost": 0.0004,
    "finish_reason": "stop",
}
LOG_NANO = 400_000


def spend_logs(path: Path, count: int, *, minute: int = 0) -> Path:
    """Rows of LiteLLM, a second apart."""
    rows = (
        {**LITELLM, "request_id": f"chatcmpl-{number}", "startTime": f"2026-10-05T10:{minute:02}:{number % 60:02}Z"}
        for number in range(count)
    )
    return written(path, *rows)


def request_log(path: Path, count: int) -> Path:
    """Lines of a proxy's log."""
    rows = (
        {**LOG, "timestamp": f"2026-10-05T10:00:{number % 60:02}Z", "request_id": f"r-{number}"}
        for number in range(count)
    )
    return written(path, *rows)


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def traces(path: Path, *spans: dict[str, object], team: str = "search") -> Path:
    """What the collector's file exporter writes, one request for each span."""
    resource = {"attributes": [_text("service.name", "shop"), _text("otel_cost.team", team)]}
    requests = (
        {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "by-hand"}, "spans": [span]}]}]}
        for span in spans
    )
    return written(path, *requests)


def chat_span(number: int, **attributes: str | int) -> dict[str, object]:
    start_ns = 1_791_194_400_000_000_000 + number * 10**9
    said: dict[str, str | int] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 200,
        **attributes,
    }
    return {
        "traceId": f"{number + 1:032x}",
        "spanId": f"{number + 1:016x}",
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + 10**9),
        "attributes": [
            _text(name, value) if isinstance(value, str) else {"key": name, "value": {"intValue": str(value)}}
            for name, value in said.items()
        ],
    }


SPAN_NANO = 1000 * 150 + 200 * 600


def _text(name: str, value: str) -> dict[str, object]:
    return {"key": name, "value": {"stringValue": value}}
