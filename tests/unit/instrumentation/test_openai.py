"""What the openai module reads from requests and answers, case by case."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from otel_cost import runtime, semconv
from otel_cost.config import Config
from otel_cost.estimating import Estimator, Text
from otel_cost_instrumentation import openai
from otel_cost_instrumentation._request import Request
from tests.support.world import make_world


def request(
    host: str = "api.openai.com",
    path: str = "/chat/completions",
    *,
    version: str = "",
    options: Mapping[str, object] | None = None,
    stream: bool = True,
    **body: object,
) -> Request:
    client = SimpleNamespace(
        base_url=f"https://{host}/v1/",
        default_query={"api-version": version} if version else {},
    )
    arguments = {"body": {"model": "gpt-4o", **body}, "options": options or {}, "stream": stream}
    read = openai.PROVIDER.methods[0].read(client, (path,), arguments)
    assert read is not None
    return read


def asked(read: Request) -> bool:
    body: Any = read.arguments["body"]
    return bool(body.get("stream_options", {}).get("include_usage"))


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("team.openai.azure.com", "azure.ai.openai"),
        ("api.groq.com", "groq"),
        ("api.deepseek.com", "deepseek"),
        ("api.x.ai", "x_ai"),
        ("openrouter.ai", "openrouter"),
        ("api.together.xyz", "together"),
        ("127.0.0.1", "openai"),
        ("localhost", "openai"),
        ("llm.corp.example", ""),
        ("evil-api.openai.com.example", ""),
    ],
)
def test_the_host_says_who_the_provider_is(host: str, provider: str) -> None:
    read = request(host)

    assert read.provider == provider
    assert (read.address, read.port) == (host, 443)
    assert (semconv.PROVIDER_NAME in read.attributes()) is bool(provider)


@pytest.mark.parametrize(
    ("host", "version", "body", "asks"),
    [
        ("api.openai.com", "", {}, True),
        ("eu.api.openai.com", "", {}, True),
        ("127.0.0.1", "", {}, False),
        ("localhost", "", {}, False),
        ("api.groq.com", "", {}, True),
        ("openrouter.ai", "", {}, False),
        ("llm.corp.example", "", {}, False),
        ("team.openai.azure.com", "", {}, True),
        ("team.openai.azure.com", "2024-10-21", {}, True),
        ("team.openai.azure.com", "2024-09-01-preview", {}, True),
        ("team.openai.azure.com", "2024-06-01", {}, False),
        ("team.openai.azure.com", "2024-10-21", {"data_sources": [{}]}, False),
    ],
)
def test_usage_is_asked_for_where_the_host_knows_the_option(
    host: str, version: str, body: dict[str, object], asks: bool
) -> None:
    read = request(host, version=version, **body)

    assert asked(read) is asks
    assert isinstance(read.reader(Text()), openai.ChatReader)


@pytest.mark.parametrize(
    ("host", "asks"),
    [
        ("127.0.0.1", True),
        ("llm.corp.example", True),
        ("other.corp.example", False),
        ("a.models.example", True),
        ("models.example", False),
        ("localhost", False),
        ("api.openai.com", True),
    ],
)
def test_more_hosts_are_asked_where_the_settings_name_them(host: str, asks: bool) -> None:
    """Servers that know the option and cannot be known by their name."""
    make_world(Config(stream_usage_hosts=("127.0.0.1", "LLM.corp.example", ".models.example")))
    try:
        assert asked(request(host)) is asks
    finally:
        runtime.uninstall()


def test_what_the_app_asked_for_is_left_as_it_is() -> None:
    theirs = {"include_usage": True}
    read = request(stream_options=theirs)

    assert read.arguments["body"]["stream_options"] is theirs  # type: ignore[index]
    assert read.reader(Text()).read({"choices": [], "usage": {"prompt_tokens": 1}})


def test_other_stream_options_of_the_app_are_kept() -> None:
    body: Any = request(stream_options={"include_obfuscation": False}).arguments["body"]

    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_the_apps_own_body_is_not_changed() -> None:
    client = SimpleNamespace(base_url="https://api.openai.com/v1")
    body = {"model": "gpt-4o"}
    openai.PROVIDER.methods[0].read(client, ("/chat/completions",), {"body": body, "stream": True})

    assert body == {"model": "gpt-4o"}


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X-Stainless-Raw-Response": "true"}},
        {"extra_json": {"stream_options": {"include_usage": True}}},
        {"extra_json": {"data_sources": []}},
    ],
)
def test_usage_is_not_asked_for_behind_the_apps_back(options: dict[str, object]) -> None:
    assert not asked(request("team.openai.azure.com", options=options))


def test_calls_that_do_not_stream_and_other_endpoints_are_not_asked() -> None:
    assert not asked(request(stream=False))
    assert not asked(request(path="/responses"))


@pytest.mark.parametrize("path", ["/files", "/chat/completions/123", "/responses/1/cancel", "/responses/input_tokens"])
def test_other_paths_are_none_of_ours(path: str) -> None:
    client = SimpleNamespace(base_url="https://api.openai.com/v1")

    assert openai.PROVIDER.methods[0].read(client, (path,), {"body": {}}) is None


@pytest.mark.parametrize(
    "path",
    [
        "/moderations",
        "/files",
        "/batches",
        "/responses/input_tokens",
        "/assistants",
        "/fine_tuning/jobs",
        "/realtime/sessions",
        "/organization/projects",
    ],
)
def test_what_is_free_or_billed_elsewhere_has_no_call(path: str) -> None:
    client = SimpleNamespace(base_url="https://api.openai.com/v1")

    assert openai.PROVIDER.methods[0].read(client, (path,), {"body": {"model": "gpt-4o"}}) is None


@pytest.mark.parametrize("path", ["/videos", "/threads/t1/runs", "/brand/new"])
def test_what_costs_and_is_not_read_is_a_call_without_usage(path: str) -> None:
    read = request(path=path, stream=True, prompt="12345678")

    assert (read.operation, read.model, read.provider) == ("generate_content", "gpt-4o", "openai")
    assert read.input_bytes >= 8
    assert read.arguments["body"] == {"model": "gpt-4o", "prompt": "12345678"}
    assert read.answer({"usage": {"prompt_tokens": 1}}) == {}
    reader = read.reader(Text())
    assert reader.read({"usage": {"prompt_tokens": 1}})
    assert (reader.final, reader.attributes()) == (True, {})


def test_a_legacy_completion() -> None:
    """FEATURES O2"""
    read = request(path="/completions", stream=True, prompt="12345678", max_tokens=7)
    assert (read.operation, read.input_bytes, read.max_output_tokens) == ("text_completion", 8, 7)
    assert asked(read)

    heard = Text(keep=100)
    reader = read.reader(heard)
    reader.read({"id": "c", "choices": [{"index": 0, "text": "12345", "finish_reason": "stop"}]})
    assert heard.tokens(len, 100) == 5


def test_a_compaction_is_a_response() -> None:
    read = request(path="/responses/compact", stream=False, input="12345678")

    assert (read.operation, read.input_bytes) == ("chat", 8)
    assert read.answer({"usage": {"input_tokens": 5, "output_tokens": 2}}) == {
        semconv.USAGE_INPUT_TOKENS: 5,
        semconv.USAGE_OUTPUT_TOKENS: 2,
    }


def test_the_version_may_stand_in_the_path() -> None:
    assert request(path="/v1/chat/completions").operation == "chat"


def test_request_parameters_become_attributes() -> None:
    read = request(max_completion_tokens=7, max_tokens=9, temperature=1, top_p=0.5, n=3, service_tier="flex")

    assert read.parameters == {
        semconv.REQUEST_MAX_TOKENS: 7,
        semconv.REQUEST_TEMPERATURE: 1.0,
        semconv.REQUEST_TOP_P: 0.5,
        semconv.REQUEST_CHOICE_COUNT: 3,
        semconv.REQUEST_STREAM: True,
        semconv.OPENAI_REQUEST_SERVICE_TIER: "flex",
    }
    planned = read.planned(Estimator())
    assert (planned.max_output_tokens, planned.choices, planned.service_tier) == (7, 3, "flex")


def test_what_budgets_are_asked_about_is_never_less_than_the_tokens_that_are_sent() -> None:
    messages = [{"role": "user", "content": "hi"}]
    read = request(messages=messages)
    words = lambda text: len(text.split())  # noqa: E731
    planned = read.planned(Estimator(lambda: words))
    assert planned.count_input is not None
    assert 1 <= (planned.count_input() or 0) < planned.input_bytes
    assert planned.input_bytes >= len("roleusercontenthi") + 5  # and what the provider puts around messages
    assert read.planned(Estimator()).count_input is None


def test_sentinels_of_the_sdk_are_no_parameters() -> None:
    read = request(max_tokens=object(), temperature=True, n=None)

    assert read.parameters == {semconv.REQUEST_STREAM: True}


def test_a_chat_completion() -> None:
    found = openai.chat(
        {
            "id": "c1",
            "model": "gpt-4o-2024-08-06",
            "service_tier": "flex",
            "choices": [{"finish_reason": "stop"}, {"finish_reason": "length"}],
            "usage": {
                "prompt_tokens": 1000,
                "completion_tokens": 200,
                "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": 10, "cache_write_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 50, "audio_tokens": 5},
            },
        }
    )

    assert found == {
        semconv.RESPONSE_ID: "c1",
        semconv.RESPONSE_MODEL: "gpt-4o-2024-08-06",
        semconv.OPENAI_RESPONSE_SERVICE_TIER: "flex",
        semconv.RESPONSE_FINISH_REASONS: ["stop", "length"],
        semconv.USAGE_INPUT_TOKENS: 1000,
        semconv.USAGE_OUTPUT_TOKENS: 200,
        semconv.USAGE_CACHE_READ: 400,
        semconv.USAGE_AUDIO_INPUT: 10,
        semconv.USAGE_AUDIO_OUTPUT: 5,
        semconv.USAGE_REASONING: 50,
    }


def test_an_explicit_zero_is_a_zero() -> None:
    found = openai.chat({"usage": {"prompt_tokens": 0, "completion_tokens": 0}})

    assert (found[semconv.USAGE_INPUT_TOKENS], found[semconv.USAGE_OUTPUT_TOKENS]) == (0, 0)


def test_no_usage_is_no_count() -> None:
    assert openai.chat({"id": "c1"}) == {semconv.RESPONSE_ID: "c1"}


def test_a_response_counts_its_web_searches() -> None:
    calls = [
        {"type": "web_search_call", "action": {"type": "search"}},
        {"type": "web_search_call", "action": {"type": "open_page"}},
        {"type": "web_search_call"},
        {"type": "message"},
    ]
    found = openai.response({"id": "r1", "status": "completed", "output": calls})

    assert found[semconv.UNIT_PREFIX + "web_searches"] == 2
    assert found[semconv.RESPONSE_FINISH_REASONS] == ["completed"]


def tools(*output: dict[str, object], **more: object) -> dict[str, object]:
    """The counts of hosted tools, by unit."""
    found = openai.response({"id": "r1", "output": output, **more})
    return {
        name.removeprefix(semconv.UNIT_PREFIX): value
        for name, value in found.items()
        if name.startswith(semconv.UNIT_PREFIX)
    }


@pytest.mark.parametrize(("told", "searches"), [(3, {"web_searches": 3}), (0, {}), (None, {"web_searches": 1})])
def test_the_provider_knows_best_how_many_searches_it_bills(told: int | None, searches: dict[str, int]) -> None:
    usage = {"web_search": {"num_requests": told}} if told is not None else None

    assert tools({"type": "web_search_call"}, tool_usage=usage) == searches


def test_hosted_tools_with_a_fee_are_counted() -> None:
    container = {"type": "container_reference", "container_id": "c1"}
    assert tools(
        {"type": "file_search_call"},
        {"type": "file_search_call"},
        {"type": "code_interpreter_call", "container_id": "c2"},
        {"type": "code_interpreter_call", "container_id": "c2"},
        {"type": "shell_call", "environment": container},
        {"type": "shell_call", "environment": {"type": "local"}},
        {"type": "function_call"},
    ) == {"storage_searches": 2, "code_executions": 2}


@pytest.mark.parametrize("told", [{}, {"tool_usage": {"image_gen": {"input_tokens": 500, "output_tokens": 4000}}}])
def test_generated_images_are_no_tokens_of_the_answering_model(told: dict[str, object]) -> None:
    """Another model makes them, at a price several times higher."""
    assert tools({"type": "image_generation_call"}, {"type": "image_generation_call"}, **told) == {"requests": 2}


def test_images_without_an_item_are_not_lost() -> None:
    assert tools(tool_usage={"image_gen": {"input_tokens": 0, "output_tokens": 4000}}) == {"requests": 1}
    assert tools(tool_usage={"image_gen": {"input_tokens": 0, "output_tokens": 0}}) == {}


def test_a_failed_response_says_why() -> None:
    found = openai.response({"status": "failed", "error": {"code": "server_error"}, "usage": {"input_tokens": 9}})

    assert (found[semconv.ERROR_TYPE], found[semconv.USAGE_INPUT_TOKENS]) == ("server_error", 9)


def test_an_incomplete_response_says_what_stopped_it() -> None:
    found = openai.response({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}})

    assert found[semconv.RESPONSE_FINISH_REASONS] == ["max_output_tokens"]


def test_a_chat_stream_hears_every_kind_of_delta() -> None:
    heard = Text(keep=100)
    reader = openai.ChatReader(heard)
    reader.read({"choices": [{"index": 0, "delta": {"content": "four", "refusal": None}}]})
    reader.read({"choices": [{"index": 1, "delta": {"tool_calls": [{"function": {"arguments": "12345"}}]}}]})
    reader.read({"choices": [{"index": 0, "delta": {"content": "é"}, "finish_reason": "stop"}]})

    assert heard.tokens(len, 100) == 4 + 5 + 1
    assert not reader.final
    assert reader.attributes()[semconv.RESPONSE_FINISH_REASONS] == ["stop"]


def test_usage_on_a_chunk_with_choices_is_shown_to_the_app() -> None:
    """Some servers send the usage with the last choice; only a chunk of nothing but usage may be kept back."""
    reader = openai.ChatReader(Text(), conceal=True)

    assert reader.read({"choices": [{"index": 0, "delta": {}}], "usage": {"prompt_tokens": 1}})
    assert not reader.read({"choices": [], "usage": {"prompt_tokens": 1}})
    assert reader.final


def test_usage_that_groq_tells_unasked_is_read() -> None:
    reader = openai.ChatReader(Text(), conceal=True)
    usage = {"prompt_tokens": 12, "completion_tokens": 26, "total_tokens": 38}

    assert reader.read({"choices": [{"index": 0, "delta": {"content": "Hi"}}], "x_groq": {"id": "req_1"}})
    assert not reader.final
    assert reader.read({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": usage}})
    assert reader.final
    assert reader.attributes()[semconv.USAGE_INPUT_TOKENS] == 12
    assert reader.attributes()[semconv.USAGE_OUTPUT_TOKENS] == 26


def test_an_error_event_of_a_streamed_response() -> None:
    heard = Text(keep=100)
    reader = openai.ResponseReader(heard)
    reader.read({"type": "response.created", "response": {"id": "r1", "model": "gpt-4o"}})
    reader.read({"type": "response.output_text.delta", "delta": "12345678"})
    reader.read({"type": "error", "code": "server_error"})

    assert not reader.final
    assert heard.tokens(len, 100) == 8
    assert reader.attributes()[semconv.ERROR_TYPE] == "server_error"
