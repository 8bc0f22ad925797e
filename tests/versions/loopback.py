"""``python loopback.py BASE_URL``: runs in an environment of the oldest SDKs, and asks the stand-in provider there once
whole and once streamed, by every SDK that is installed; what otel-cost makes of it is JSON on stdout.
"""

import asyncio
import importlib
import json
import logging
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_cost.runtime
import otel_cost_instrumentation
from otel_cost.config import Config, PriceSettings

SPANS = InMemorySpanExporter()
BASE_URL = sys.argv[1]
PRICES = tuple(
    {"provider": provider, "model": "llama3.3", "per_1m": {"input": 2.5, "output": 10}}
    for provider in ("ollama", "huggingface")
)
ASKED = 'usage:{"input": 1000, "output": 200} please'
MESSAGES = [{"role": "user", "content": ASKED}]
CONVERSATION = [{"role": "user", "content": [{"text": ASKED}]}]
CLAUDE = "anthropic.claude-3-5-haiku-20241022-v1:0"
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "none", "aws_secret_access_key": "none"}


def groq(sdk):
    def ask(stream):
        answer = sdk.Groq(base_url=BASE_URL, api_key="none").chat.completions.create(
            model="llama-3.3-70b-versatile", messages=MESSAGES, stream=stream
        )
        return list(answer) if stream else answer

    async def ask_async():
        async with sdk.AsyncGroq(base_url=BASE_URL, api_key="none") as client:
            await client.chat.completions.create(model="llama-3.3-70b-versatile", messages=MESSAGES)

    return ask, ask_async


def ollama(sdk):
    def ask(stream):
        answer = sdk.Client(BASE_URL).chat(model="llama3.3", messages=MESSAGES, stream=stream)
        return list(answer) if stream else answer

    async def ask_async():
        await sdk.AsyncClient(BASE_URL).chat(model="llama3.3", messages=MESSAGES)

    return ask, ask_async


def cohere(sdk):
    def ask(stream):
        client = sdk.ClientV2(api_key="none", base_url=BASE_URL)
        asked = {"model": "command-r-08-2024", "messages": MESSAGES}
        return list(client.chat_stream(**asked)) if stream else client.chat(**asked)

    async def ask_async():
        client = sdk.AsyncClientV2(api_key="none", base_url=BASE_URL)
        await client.chat(model="command-r-08-2024", messages=MESSAGES)

    return ask, ask_async


def google_genai(sdk):
    def client():
        return sdk.Client(api_key="none", http_options={"base_url": BASE_URL})

    def ask(stream):
        made = client()  # which ends when nobody has it
        models = made.models
        asked = {"model": "gemini-2.5-flash", "contents": ASKED}
        return list(models.generate_content_stream(**asked)) if stream else models.generate_content(**asked)

    async def ask_async():
        made = client()
        await made.aio.models.generate_content(model="gemini-2.5-flash", contents=ASKED)

    return ask, ask_async


def mistralai(sdk):
    def client():
        kind = getattr(sdk, "Mistral", None) or importlib.import_module("mistralai.client").Mistral
        return kind(api_key="none", server_url=BASE_URL + "/mistral")

    def ask(stream):
        chat = client().chat
        asked = {"model": "mistral-large-latest", "messages": MESSAGES}
        return list(chat.stream(**asked)) if stream else chat.complete(**asked)

    async def ask_async():
        await client().chat.complete_async(model="mistral-large-latest", messages=MESSAGES)

    return ask, ask_async


def boto3(sdk):
    def ask(stream):
        client = sdk.client("bedrock-runtime", endpoint_url=BASE_URL, **KEYS)
        asked = {"modelId": CLAUDE, "messages": CONVERSATION}
        return list(client.converse_stream(**asked)["stream"]) if stream else client.converse(**asked)

    return ask, None


def aiobotocore(sdk):
    async def call(stream):
        session = importlib.import_module("aiobotocore.session").get_session()
        async with session.create_client("bedrock-runtime", endpoint_url=BASE_URL, **KEYS) as client:
            asked = {"modelId": CLAUDE, "messages": CONVERSATION}
            if not stream:
                return await client.converse(**asked)
            return [event async for event in (await client.converse_stream(**asked))["stream"]]

    return lambda stream: asyncio.run(call(stream)), None


def litellm(sdk):
    asked = {"model": "openai/gpt-4o", "messages": MESSAGES, "api_base": BASE_URL + "/v1", "api_key": "none"}

    def ask(stream):
        answer = sdk.completion(**asked, stream=stream)
        return list(answer) if stream else answer

    async def ask_async():
        await sdk.acompletion(**asked)

    return ask, ask_async


def huggingface_hub(sdk):
    """Of a server of one's own, which answers as OpenAI does."""
    asked = {"messages": MESSAGES, "model": "llama3.3"}

    def ask(stream):
        client = sdk.InferenceClient(base_url=BASE_URL, api_key="none")  # a stream ends when nobody has it
        answer = client.chat_completion(**asked, stream=stream)
        return list(answer) if stream else answer

    async def ask_async():
        async with sdk.AsyncInferenceClient(base_url=BASE_URL, api_key="none") as client:
            await client.chat_completion(**asked)

    return ask, ask_async


SDKS = {
    "groq": groq,
    "ollama": ollama,
    "cohere": cohere,
    "google.genai": google_genai,
    "mistralai": mistralai,
    "boto3": boto3,
    "aiobotocore": aiobotocore,
    "litellm": litellm,
    "huggingface_hub": huggingface_hub,
}
"""Where each SDK is imported from, to what makes its calls: (streamed or not), and an asynchronous one."""


def _installed(module):
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        return None


def _spans(call):
    """The spans of one call, as their attributes."""
    call()
    spans = [dict(span.attributes) for span in SPANS.get_finished_spans()]
    SPANS.clear()
    return spans


def main() -> None:
    logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(SPANS))
    config = Config(prices=PriceSettings(overlay=PRICES), stream_usage_hosts=("127.0.0.1",))
    runtime = otel_cost.runtime.install(provider, config=config)
    otel_cost_instrumentation.activate()
    runtime.prices_needed()
    assert runtime.pricer.catalog(60)
    told = {}
    for module, make in SDKS.items():
        sdk = _installed(module)
        if sdk is None:
            continue
        ask, ask_async = make(sdk)
        ways = {"whole": lambda ask=ask: ask(False), "streamed": lambda ask=ask: ask(True)}
        if ask_async:
            ways["async"] = lambda ask_async=ask_async: asyncio.run(ask_async())
        told[make.__name__] = {way: _spans(call) for way, call in ways.items()}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
