"""Runs in the environment of the oldest SDKs: every kind of call once; what otel-cost makes of it is JSON on stdout.

Nothing goes out: the SDK's HTTP client answers by itself.
"""

import asyncio
import json
import sys
from functools import cache

import anthropic
import httpx
import huggingface_hub
import openai
from huggingface_hub.hf_api import InferenceProviderMapping
from huggingface_hub.inference._providers import _common as hugging_face
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_cost.runtime
import otel_cost_instrumentation
from otel_cost.config import Config

SPANS = InMemorySpanExporter()
GPT, CLAUDE, EMBEDDER = "gpt-4o", "claude-sonnet-4-5-20250929", "text-embedding-3-small"
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
HELLO = [{"role": "user", "content": "x"}]
CHAT_USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
USAGE = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200}
CHAT = {"id": "c", "object": "chat.completion", "model": GPT, "choices": [], "usage": CHAT_USAGE}
RESPONSE = {"id": "resp_1", "object": "response", "model": GPT, "status": "completed", "output": [], "usage": USAGE}
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": CLAUDE, "content": [], "usage": USAGE}
BATCH_URL = "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
BATCH = {"id": "msgbatch_1", "type": "message_batch", "results_url": BATCH_URL}


def _events(*events: dict[str, object]) -> bytes:
    names = (f"event: {event['type']}\n" if "type" in event else "" for event in events)
    return "".join(f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True)).encode()


CHUNKS = _events(
    {"id": "c", "object": "chat.completion.chunk", "model": GPT, "choices": [{"index": 0, "delta": {"content": "x"}}]},
    {"id": "c", "object": "chat.completion.chunk", "model": GPT, "choices": [], "usage": CHAT_USAGE},
)
MESSAGE_EVENTS = _events(
    {"type": "message_start", "message": MESSAGE | {"usage": {"input_tokens": 1000, "output_tokens": 1}}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 200}},
    {"type": "message_stop"},
)
ANSWERS = {
    "POST /v1/responses": RESPONSE,
    "GET /v1/responses/resp_1": RESPONSE | {"background": True},
    "POST /v1/embeddings": {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [],
        "usage": {"prompt_tokens": 1000},
    },
    "POST /v1/images/generations": {"created": 1, "data": [{}], "usage": USAGE},
    "POST /v1/audio/speech": b"ID3",
    "POST /v1/audio/transcriptions": {"text": "x", "usage": {"type": "duration", "seconds": 90}},
    "GET /v1/files/f/content": json.dumps(
        {"id": "r", "custom_id": "c", "response": {"status_code": 200, "body": CHAT}, "error": None}
    ).encode(),
    "GET /v1/messages/batches/msgbatch_1": BATCH,
    "GET /v1/messages/batches/msgbatch_1/results": json.dumps(
        {"custom_id": "c", "result": {"type": "succeeded", "message": MESSAGE}}
    ).encode()
    + b"\n",
}


def _answer(request: httpx.Request) -> httpx.Response:
    asked = json.loads(request.content) if request.content.startswith(b"{") else {}
    streams = asked.get("stream") is True
    if request.url.path.endswith("/v1/chat/completions"):
        content = CHUNKS if streams else CHAT
    elif request.url.path == "/v1/messages":
        content = MESSAGE_EVENTS if streams else MESSAGE
    else:
        content = ANSWERS[f"{request.method} {request.url.path}"]
    kind = "application/json" if isinstance(content, dict) else "application/octet-stream"
    body = json.dumps(content).encode() if isinstance(content, dict) else content
    return httpx.Response(200, headers={"content-type": "text/event-stream" if streams else kind}, content=body)


TRANSPORT = httpx.MockTransport(_answer)


# Made when they are needed: these releases bind their methods when a client is made.
@cache
def gpts() -> openai.OpenAI:
    return openai.OpenAI(api_key="none", http_client=httpx.Client(transport=TRANSPORT))


@cache
def claudes() -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="none", http_client=httpx.Client(transport=TRANSPORT))


def _async_chat() -> None:
    async def call() -> None:
        async with openai.AsyncOpenAI(api_key="none", http_client=httpx.AsyncClient(transport=TRANSPORT)) as client:
            async for _ in await client.chat.completions.create(model=GPT, messages=HELLO, stream=True):
                pass

    asyncio.run(call())


def _async_message() -> None:
    async def call() -> None:
        http = httpx.AsyncClient(transport=TRANSPORT)
        async with anthropic.AsyncAnthropic(api_key="none", http_client=http) as client:
            await client.messages.create(model=CLAUDE, max_tokens=9, messages=HELLO)

    asyncio.run(call())


def _message_stream() -> None:
    with claudes().messages.stream(model=CLAUDE, max_tokens=9, messages=HELLO) as stream:
        stream.until_done()


def _speech() -> None:
    with gpts().audio.speech.with_streaming_response.create(model="tts-1", voice="ash", input="x" * 1000) as response:
        b"".join(response.iter_bytes())


def _llamas() -> huggingface_hub.InferenceClient:
    huggingface_hub.set_client_factory(lambda: httpx.Client(transport=TRANSPORT))
    return huggingface_hub.InferenceClient(provider="groq", token="hf_none")


def _async_llama() -> None:
    async def call() -> None:
        huggingface_hub.set_async_client_factory(lambda: httpx.AsyncClient(transport=TRANSPORT))
        async with huggingface_hub.AsyncInferenceClient(provider="groq", token="hf_none") as client:
            async for _ in await client.chat_completion(HELLO, model=LLAMA, stream=True):
                pass

    asyncio.run(call())


def _mapped() -> None:
    """Say what Hugging Face would be asked for: the provider's name for the model."""
    told = {"provider": "groq", "hf_model_id": LLAMA, "providerId": "llama", "task": "conversational", "status": "live"}
    hugging_face.HARDCODED_MODEL_INFERENCE_MAPPING["groq"] = {LLAMA: InferenceProviderMapping(**told)}


CALLS = {
    "chat": lambda: gpts().chat.completions.create(model=GPT, messages=HELLO),
    "chat_raw": lambda: gpts().chat.completions.with_raw_response.create(model=GPT, messages=HELLO).parse(),
    "chat_stream": lambda: list(gpts().chat.completions.create(model=GPT, messages=HELLO, stream=True)),
    "chat_async_stream": _async_chat,
    "responses": lambda: gpts().responses.create(model=GPT, input="x"),
    "retrieve": lambda: gpts().responses.retrieve("resp_1"),
    "embeddings": lambda: gpts().embeddings.create(model=EMBEDDER, input="x"),
    "images": lambda: gpts().images.generate(model="gpt-image-1", prompt="x"),
    "speech": _speech,
    "transcription": lambda: gpts().audio.transcriptions.create(model="whisper-1", file=b"RIFF"),
    "batch": lambda: gpts().files.content("f"),
    "message": lambda: claudes().messages.create(model=CLAUDE, max_tokens=9, messages=HELLO),
    "message_async": _async_message,
    "message_stream": _message_stream,
    "message_batch": lambda: list(claudes().messages.batches.results("msgbatch_1")),
    "routed": lambda: _llamas().chat_completion(HELLO, model=LLAMA),
    "routed_stream": lambda: list(_llamas().chat_completion(HELLO, model=LLAMA, stream=True)),
    "routed_async_stream": _async_llama,
}


def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(SPANS))
    runtime = otel_cost.runtime.install(provider, config=Config())
    otel_cost_instrumentation.activate()
    runtime.prices_needed()
    assert runtime.pricer.catalog(60)
    _mapped()
    told = {}
    for name, call in CALLS.items():
        call()
        told[name] = [dict(span.attributes) for span in SPANS.get_finished_spans()]
        SPANS.clear()
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
