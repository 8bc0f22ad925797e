"""The ``huggingface_hub`` SDK, against servers that somebody put a price on and through the router's paths.

Nothing asks Hugging Face: the router is the stand-in, and which provider has a model is written here.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from types import AsyncGeneratorType, GeneratorType
from typing import Any

import httpx2
import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, TextGenerationError
from huggingface_hub.hf_api import InferenceProviderMapping
from huggingface_hub.inference._providers import _common
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import STAND_INS, Case, Client, user
from tests.support.wires.huggingface import wires

__all__ = ["CASES", "PRICES", "wires"]

LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
EMBEDDER = "intfloat/multilingual-e5-large-instruct"
_ROUTER = constants.INFERENCE_PROXY_TEMPLATE
PRICES = tuple(
    {"provider": "huggingface", "model": model, "per_1m": {"input": 0.1, "output": 0.2}} for model in (LLAMA, EMBEDDER)
)


def _client(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    """Of an endpoint of one's own."""
    return _made(asynchronous, base_url=base_url, api_key="none")


def _generating(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    return _made(asynchronous, model=f"{base_url}/models/{LLAMA}", token="none")


def _embedding(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    """Of a provider behind the router, which knows the model by the same name."""
    constants.INFERENCE_PROXY_TEMPLATE = base_url + "/routed/{provider}"
    mapped(EMBEDDER, EMBEDDER, "together", "feature-extraction")
    return _made(asynchronous, provider="together", token="hf_none")


def _made(asynchronous: bool, **options: Any) -> Client:
    kind: Any = huggingface_hub.AsyncInferenceClient if asynchronous else huggingface_hub.InferenceClient
    return kind(**options)


def mapped(model: str, theirs: str, provider: str, task: str) -> None:
    """Say which name ``provider`` has for ``model``, as Hugging Face would."""
    mapping = InferenceProviderMapping(
        provider=provider, hf_model_id=model, providerId=theirs, task=task, status="live"
    )
    _common.HARDCODED_MODEL_INFERENCE_MAPPING.setdefault(provider, {})[model] = mapping


def _close(client: Client) -> Any:
    constants.INFERENCE_PROXY_TEMPLATE = _ROUTER
    huggingface_hub.close_session()
    return client.close()


def _timed(client: Client, seconds: float) -> Client:
    client.timeout = seconds
    return client


def _chat(client: Client, text: str, stream: bool) -> Any:
    return client.chat_completion(user(text), model=LLAMA, stream=stream)


def _generate(client: Client, text: str, stream: bool) -> Any:
    return client.text_generation(text, details=True, decoder_input_details=not stream, stream=stream)


def _embed(client: Client, text: str, stream: bool) -> Any:
    return client.feature_extraction(text, model=EMBEDDER)


def _watcher(stream: Any) -> Any:
    """The SDK's own generator reads the lines that are watched."""
    held = inspect.getgeneratorlocals(stream).values()
    return next(lines._self_watcher for lines in held if isinstance(lines, STAND_INS))


_CHAT = Case(
    name="huggingface-chat",
    provider="huggingface_hub",
    provider_name="huggingface",
    client=_client,
    call=_chat,
    stream_types=(GeneratorType, AsyncGeneratorType),
    api_error=HfHubHTTPError,
    network_error=(httpx2.HTTPError, InferenceTimeoutError),
    midstream_error=TextGenerationError,
    error_cause=httpx2.HTTPStatusError,
    error_names=("InferenceTimeoutError", "ConnectError", "RemoteProtocolError"),
    status_of=lambda error: error.response.status_code,
    timed=_timed,
    sender=lambda client: (huggingface_hub.get_session(), "send"),
    close=_close,
    close_stream=lambda stream: stream.aclose(),
    model=LLAMA,
    blocks=False,
    response=False,
    retries=False,
    watcher=_watcher,
    of_the_moment=frozenset({"id"}),
)
CASES = (
    _CHAT,
    replace(
        _CHAT,
        name="huggingface-generation",
        client=_generating,
        call=_generate,
        operation="text_completion",
        answers_model=False,
    ),
    replace(
        _CHAT,
        name="huggingface-embeddings",
        client=_embedding,
        call=_embed,
        stream_types=(),
        model=EMBEDDER,
        operation="embeddings",
    ),
)
