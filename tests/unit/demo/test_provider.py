"""The stand-in as the real SDKs see it: the test is that their own types hold what was told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from openai.types.responses import ResponseCompletedEvent, ResponseFailedEvent

from otel_cost.demo.provider import StandInProvider

FULL = 'usage:{"input":1000,"output":200,"cached":400,"cache_write":100,"reasoning":50,"web_searches":2}'


@pytest.fixture
def provider() -> Iterator[StandInProvider]:
    with StandInProvider() as running:
        yield running


@pytest.fixture
def oai(provider: StandInProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.base_url + "/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(provider: StandInProvider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.base_url, api_key="none", max_retries=0) as client:
        yield client


def chat(client: openai.OpenAI, text: str) -> ChatCompletion:
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])


class TestChat:
    def test_default_usage_is_per_message_and_choice(self, oai: openai.OpenAI) -> None:
        answer = oai.chat.completions.create(
            model="m",
            n=2,
            messages=[{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        )
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
            200,
            100,
            300,
        )
        assert [choice.index for choice in answer.choices] == [0, 1]
        assert answer.model == "m"
        assert answer.service_tier == "default"

    def test_told_usage(self, oai: openai.OpenAI) -> None:
        usage = chat(oai, "please " + FULL).usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        assert usage.completion_tokens_details is not None
        assert (usage.prompt_tokens, usage.completion_tokens) == (1000, 200)
        assert (usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens_details.cache_write_tokens) == (400, 100)
        assert usage.completion_tokens_details.reasoning_tokens == 50

    def test_told_identity(self, oai: openai.OpenAI) -> None:
        answer = chat(oai, "tier:flex id:fixed model:gpt-4o-2024-08-06 stop:length")
        assert (answer.id, answer.model, answer.service_tier) == ("fixed", "gpt-4o-2024-08-06", "flex")
        assert answer.choices[0].finish_reason == "length"

    def test_ids_are_unique(self, oai: openai.OpenAI) -> None:
        assert chat(oai, "one").id != chat(oai, "one").id

    def test_usage_can_be_left_out(self, oai: openai.OpenAI) -> None:
        assert chat(oai, "usage:none").usage is None

    def test_stream_has_usage_only_when_asked(self, oai: openai.OpenAI) -> None:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": FULL}]
        plain = list(oai.chat.completions.create(model="m", messages=messages, stream=True))
        asked = list(
            oai.chat.completions.create(
                model="m", messages=messages, stream=True, stream_options={"include_usage": True}
            )
        )
        assert [chunk.usage for chunk in plain] == [None] * 5
        assert len(asked) == len(plain) + 1
        assert asked[-1].choices == []
        assert asked[-1].usage is not None
        assert asked[-1].usage.prompt_tokens == 1000
        assert len({chunk.id for chunk in asked}) == 1
        assert "".join(chunk.choices[0].delta.content or "" for chunk in plain) == "The stand-in has "

    @pytest.mark.parametrize("how", ["midstream", "drop"])
    def test_stream_breaks_after_some_text(self, oai: openai.OpenAI, how: str) -> None:
        stream = oai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": f"error:{how}"}], stream=True
        )
        texts: list[str | None] = []
        with pytest.raises(openai.APIError):
            texts.extend(chunk.choices[0].delta.content for chunk in stream)
        assert texts == ["", "The ", "stand-in "]
        with pytest.raises(openai.APIError):
            chat(oai, f"error:{how}")


class TestResponses:
    def test_answer(self, oai: openai.OpenAI) -> None:
        answer = oai.responses.create(model="gpt-5", input=FULL + " tier:priority")
        assert answer.status == "completed"
        assert answer.usage is not None
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (1000, 200)
        assert answer.usage.input_tokens_details.cached_tokens == 400
        assert answer.usage.output_tokens_details.reasoning_tokens == 50
        assert answer.tool_usage is not None
        assert answer.tool_usage.web_search.num_requests == 2
        assert [item.type for item in answer.output] == ["reasoning", "web_search_call", "web_search_call", "message"]
        assert answer.output_text == "The stand-in has"
        assert answer.service_tier == "priority"

    def test_message_list_is_counted(self, oai: openai.OpenAI) -> None:
        answer = oai.responses.create(
            model="m",
            input=[
                {"role": "developer", "content": "usage:none"},
                {"role": "user", "content": [{"type": "input_text", "text": "hello chunks:1"}]},
            ],
        )
        assert answer.usage is not None
        assert answer.usage.input_tokens == 200
        assert answer.output_text == "The"

    def test_stream_events(self, oai: openai.OpenAI) -> None:
        events = list(oai.responses.create(model="gpt-5", input=FULL, stream=True))
        assert [event.type for event in events] == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            *["response.output_text.delta"] * 3,
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
        last = events[-1]
        assert isinstance(last, ResponseCompletedEvent)
        assert last.sequence_number == 10
        assert last.response.usage is not None
        assert last.response.usage.total_tokens == 1200

    def test_sdk_stream_helper_accepts_the_events(self, oai: openai.OpenAI) -> None:
        with oai.responses.stream(model="gpt-5", input="hello") as stream:
            assert stream.get_final_response().output_text == "The stand-in has"

    def test_incomplete_and_failed(self, oai: openai.OpenAI) -> None:
        cut = oai.responses.create(model="m", input="stop:length")
        assert cut.status == "incomplete"
        assert cut.incomplete_details is not None
        assert cut.incomplete_details.reason == "max_output_tokens"
        failed = list(oai.responses.create(model="m", input="error:failed", stream=True))[-1]
        assert isinstance(failed, ResponseFailedEvent)
        assert failed.response.usage is not None

    def test_midstream_error_raises(self, oai: openai.OpenAI) -> None:
        with pytest.raises(openai.APIError, match="had an error"):
            list(oai.responses.create(model="m", input="error:midstream", stream=True))


class TestEmbeddings:
    def test_inputs_are_counted(self, oai: openai.OpenAI) -> None:
        answer = oai.embeddings.create(model="text-embedding-3-small", input=["one", "two"], dimensions=4)
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == 200
        assert [round(number, 4) for number in answer.data[1].embedding] == [1.0, 0.5, 0.3333, 0.25]

    def test_floats_tokens_and_told_usage(self, oai: openai.OpenAI) -> None:
        tokens = oai.embeddings.create(model="m", input=[1, 2, 3], encoding_format="float")
        assert tokens.usage.prompt_tokens == 100
        assert len(tokens.data) == 1
        assert oai.embeddings.create(model="m", input='usage:{"input":7}').usage.prompt_tokens == 7


class TestMessages:
    def ask(self, client: anthropic.Anthropic, text: str) -> anthropic.types.Message:
        return client.messages.create(
            model="claude-of-no-version", max_tokens=64, messages=[{"role": "user", "content": text}]
        )

    def test_input_leaves_the_cached_tokens_out(self, claude: anthropic.Anthropic) -> None:
        usage = self.ask(claude, FULL).usage
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (500, 400, 100)
        assert usage.cache_creation is not None
        assert usage.cache_creation.ephemeral_5m_input_tokens == 100
        assert usage.output_tokens_details is not None
        assert usage.output_tokens_details.thinking_tokens == 50
        assert usage.server_tool_use is not None
        assert usage.server_tool_use.web_search_requests == 2

    def test_contradiction_is_refused(self, claude: anthropic.Anthropic) -> None:
        with pytest.raises(anthropic.BadRequestError, match="more than input"):
            self.ask(claude, 'usage:{"input":10,"cached":11}')

    def test_stream_carries_usage_at_both_ends(self, claude: anthropic.Anthropic) -> None:
        events = list(
            claude.messages.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": FULL + " stop:length"}], stream=True
            )
        )
        assert [event.type for event in events] == [
            "message_start",
            "content_block_start",
            *["content_block_delta"] * 3,
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        first, last = events[0], events[-2]
        assert first.type == "message_start"
        assert last.type == "message_delta"
        assert (first.message.usage.input_tokens, first.message.usage.output_tokens) == (500, 1)
        assert (last.usage.output_tokens, last.delta.stop_reason) == (200, "max_tokens")

    def test_sdk_stream_helper_accepts_the_events(self, claude: anthropic.Anthropic) -> None:
        with claude.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
            assert "".join(stream.text_stream) == "The stand-in has "
            assert stream.get_final_message().usage.output_tokens == 50

    def test_midstream_error_raises(self, claude: anthropic.Anthropic) -> None:
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            list(
                claude.messages.create(
                    model="m", max_tokens=9, messages=[{"role": "user", "content": "error:midstream"}], stream=True
                )
            )


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, openai.BadRequestError),
            (401, openai.AuthenticationError),
            (429, openai.RateLimitError),
            (500, openai.InternalServerError),
        ],
    )
    def test_openai_shape(self, oai: openai.OpenAI, status: int, kind: type[openai.APIStatusError]) -> None:
        with pytest.raises(kind, match=f"told to fail with {status}") as caught:
            chat(oai, f"error:{status}")
        assert caught.value.type is not None
        assert caught.value.request_id is not None
        assert ("retry-after" in caught.value.response.headers) == (status == 429)

    @pytest.mark.parametrize(
        ("status", "kind"), [(400, "invalid_request_error"), (429, "rate_limit_error"), (529, "overloaded_error")]
    )
    def test_anthropic_shape(self, claude: anthropic.Anthropic, status: int, kind: str) -> None:
        with pytest.raises(anthropic.APIStatusError) as caught:
            TestMessages().ask(claude, f"error:{status}")
        assert caught.value.status_code == status
        assert caught.value.type == kind
        assert caught.value.request_id is not None

    def test_some_attempts_fail_then_the_retry_is_answered(self, provider: StandInProvider) -> None:
        with openai.OpenAI(base_url=provider.base_url + "/v1", api_key="none", max_retries=2) as client:
            assert chat(client, "error:429*2").usage is not None
        assert [request["headers"]["x-stainless-retry-count"] for request in provider.requests] == ["0", "1", "2"]

    @pytest.mark.parametrize("text", ["usage:{oops", 'usage:{"tokens":1}', "error:sometimes", "slow:fast"])
    def test_misspelt_directive_is_a_400_that_names_it(self, oai: openai.OpenAI, text: str) -> None:
        with pytest.raises(openai.BadRequestError, match=text.partition(":")[0] + ":"):
            chat(oai, text)

    def test_unknown_path_is_a_404(self, oai: openai.OpenAI) -> None:
        with pytest.raises(openai.NotFoundError, match="Invalid URL"):
            oai.moderations.create(input="x")


class TestServing:
    def test_requests_are_kept(self, provider: StandInProvider, oai: openai.OpenAI) -> None:
        chat(oai, "hello")
        (request,) = provider.requests
        assert request["path"] == "/v1/chat/completions"
        assert request["body"]["model"] == "gpt-4o"
        assert request["headers"]["authorization"] == "Bearer none"

    def test_script_speaks_for_the_app(self) -> None:
        def script(path: str, body: object) -> str:
            return 'usage:{"input":3}' if path == "/v1/chat/completions" else ""

        with (
            StandInProvider(script) as provider,
            openai.OpenAI(base_url=provider.base_url + "/v1", api_key="none") as client,
        ):
            usage = chat(client, "an ordinary prompt").usage
            assert usage is not None
            assert usage.prompt_tokens == 3

    def test_leaving_ends_connections_and_slow_answers(self) -> None:
        before = threading.active_count()
        failures: list[openai.APIError] = []

        with StandInProvider() as provider:
            client = openai.OpenAI(base_url=provider.base_url + "/v1", api_key="none", max_retries=0)
            chat(client, "keeps its connection open")

            def wait() -> None:
                try:
                    chat(client, "slow:3600")
                except openai.APIError as error:
                    failures.append(error)

            waiting = threading.Thread(target=wait)
            waiting.start()
            while len(provider.requests) < 2:
                waiting.join(0.01)
        waiting.join()
        client.close()
        assert threading.active_count() == before

    async def test_async_clients(self, provider: StandInProvider) -> None:
        async with openai.AsyncOpenAI(base_url=provider.base_url + "/v1", api_key="none") as client:
            stream = await client.responses.create(model="m", input="hello", stream=True)
            assert [event.type async for event in stream][-1] == "response.completed"
