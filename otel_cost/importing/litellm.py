"""LiteLLM's spend logs: rows of its table ``LiteLLM_SpendLogs``, as its API gives them or as a database exports them.

Read from release 1.106. ``prompt_tokens`` includes what was cached. ``metadata.usage_object`` (in earlier releases
``metadata.additional_usage_values``) is the answer's own usage; without either nobody knows what was cached, so that
such a call is estimated. Columns of counts are 0 where nothing is known, so three of them that are 0 are no usage. An
answer out of LiteLLM's cache was not sent to the provider. ``spend`` is by LiteLLM's own price list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from otel_cost import semconv
from otel_cost.importing import values
from otel_cost.importing.calls import KNOWN_LABELS, Call, Costs, call, stated
from otel_cost.importing.values import BadRow
from otel_cost.model import NANO, OpinionSource
from otel_cost.pricing.providers import canonical
from otel_cost.server.otlp import UNKNOWN_ERROR

_SCOPE: Final = "litellm"
_SIGNS: Final = frozenset({"spend", "call_type", "startTime"})
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
_VERBS: Final = ("get", "list", "delete", "cancel", "create", "retrieve", "update", "content", "remove", "upload")
_OBJECTS: Final = (
    *("file", "files", "batch", "thread", "threads", "assistant", "assistants", "message", "messages", "responses"),
    *("input_items", "container", "containers", "vector_store", "fine_tuning_job", "fine_tuning_jobs", "video"),
)
"""Together they name calls that only look after something: ``alist_input_items``, ``vector_store_file_delete``."""
_UNSAID: Final = "LiteLLM's row does not say how much of the input was cached"


def fits(row: Mapping[str, object]) -> bool:
    return "request_id" in row and len(_SIGNS & row.keys()) >= 2


def calls(row: Mapping[str, object], costs: Costs) -> Sequence[Call]:
    """The call of one row; none where it made none.

    Raises:
        BadRow: it has no request_id or no time, or its spend is no amount.
    """
    request_id = values.text(row, "request_id")
    if not request_id:
        raise BadRow("it has no request_id")
    metadata = values.mapping(row.get("metadata"))
    counts = {name: values.count(row.get(name)) for name in _COUNTS}
    spend = values.usd_nano(row, "spend")
    if not (any(counts.values()) or spend) and _looks_after(values.text(row, "call_type")):
        return ()
    start_ns = values.instant(row, "startTime")
    end_ns = values.optional_instant(row, "endTime") or start_ns
    attributes = {
        **_called(row, metadata),
        **_used(row, metadata, counts),
        **_streamed(row, start_ns, end_ns),
        semconv.RESPONSE_ID: request_id,
        semconv.CALLER_TOKEN_HASH: values.text(row, "api_key"),
    }
    if costs is Costs.THEIRS:
        attributes.update(stated(spend, f"foreign:{OpinionSource.LITELLM}"))
    elif spend:
        attributes["litellm.cost.total"] = row.get("spend")
    ids = values.ids("litellm", request_id)
    error = _error(row, metadata)
    return (call(ids, (start_ns, end_ns), _SCOPE, attributes, error=error, labels=_labels(row, metadata)),)


def _looks_after(call_type: str) -> bool:
    """Whether a call of this type asks no model. Such a row costs something only if it says so."""
    words = call_type.removeprefix("a") if call_type.startswith(tuple(f"a{verb}" for verb in _VERBS)) else call_type
    verb = any(words.startswith(f"{name}_") or words.endswith(f"_{name}") for name in _VERBS)
    return verb and any(name in words for name in _OBJECTS)


def _called(row: Mapping[str, object], metadata: Mapping[str, object]) -> dict[str, object]:
    provider = values.text(row, "custom_llm_provider")
    model = values.text(row, "model")
    prefix, slash, rest = model.partition("/")
    if slash and provider and canonical(prefix) == canonical(provider):
        model = rest
    usage = _usage(metadata)
    tier = values.text(values.mapping(metadata.get("cost_breakdown")), "service_tier")
    return {
        semconv.OPERATION_NAME: values.text(row, "call_type") or semconv.OP_CHAT,
        semconv.PROVIDER_NAME: provider,
        semconv.REQUEST_MODEL: model,
        semconv.SERVER_ADDRESS: values.text(row, "api_base"),
        semconv.SERVICE_TIER: tier or values.text(usage, "service_tier"),
        "litellm.cache_hit": values.flag(row.get("cache_hit")) or None,
    }


def _usage(metadata: Mapping[str, object]) -> Mapping[str, object]:
    return values.mapping(metadata.get("usage_object")) or values.mapping(metadata.get("additional_usage_values"))


def _used(row: Mapping[str, object], metadata: Mapping[str, object], counts: Mapping[str, object]) -> dict[str, object]:
    if not (counts["prompt_tokens"] or counts["completion_tokens"]):
        return {}
    usage = _usage(metadata)
    used: dict[str, object] = {
        semconv.USAGE_INPUT_TOKENS: counts["prompt_tokens"],
        semconv.USAGE_OUTPUT_TOKENS: counts["completion_tokens"],
    }
    if usage:
        used["metadata.usage_object"] = json.dumps(usage, default=str)
    elif "embedding" not in values.text(row, "call_type") and not values.flag(row.get("cache_hit")):
        used.update({semconv.USAGE_ESTIMATED: True, semconv.USAGE_ESTIMATED_HOW: _UNSAID})
    return used


def _streamed(row: Mapping[str, object], start_ns: int, end_ns: int) -> dict[str, object]:
    """Of an answer that came at once the first token is as late as the last."""
    first_ns = values.optional_instant(row, "completionStartTime")
    if first_ns is None or not start_ns <= first_ns < end_ns:
        return {}
    return {semconv.REQUEST_STREAM: True, semconv.RESPONSE_TIME_TO_FIRST_CHUNK: (first_ns - start_ns) / NANO}


def _error(row: Mapping[str, object], metadata: Mapping[str, object]) -> str:
    if "failure" not in (row.get("status"), metadata.get("status")):
        return ""
    return values.text(values.mapping(metadata.get("error_information")), "error_class") or UNKNOWN_ERROR


def _labels(row: Mapping[str, object], metadata: Mapping[str, object]) -> dict[str, str]:
    said = values.mapping(metadata.get("spend_logs_metadata"))
    return {
        **{name: values.text(said, name) for name in KNOWN_LABELS},
        "team": values.text(metadata, "user_api_key_team_alias") or values.text(row, "team_id"),
        "user": values.text(row, "end_user", "user"),
        "session": values.text(row, "session_id"),
        "agent_id": values.text(row, "agent_id"),
        "project": values.text(metadata, "user_api_key_project_alias", "user_api_key_project_id"),
        "organization": values.text(row, "organization_id"),
        "key_alias": values.text(metadata, "user_api_key_alias"),
        "tags": ",".join(values.texts(row.get("request_tags"))),
    }
