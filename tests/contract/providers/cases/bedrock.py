"""Bedrock by ``boto3`` and by ``aiobotocore``. What these return has the answer in it, and that is driven."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cached_property
from typing import Any

import boto3
import wrapt
from aiobotocore.config import AioConfig
from aiobotocore.eventstream import AioEventStream
from aiobotocore.session import get_session
from botocore import exceptions
from botocore.config import Config
from botocore.eventstream import EventStream
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import Case, Client, user
from tests.support.wires.bedrock import wires

__all__ = ["CASES", "wires"]

NOVA = "us.amazon.nova-pro-v1:0"
CLAUDE = "anthropic.claude-3-5-haiku-20241022-v1:0"
_KEYS = {"region_name": "us-east-1", "aws_access_key_id": "none", "aws_secret_access_key": "none"}
_sync = boto3.session.Session(**_KEYS)
_async = get_session()


class Chunks(wrapt.ObjectProxy):
    """A stream that can be read by hand, as iterating it can be."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._self_chunks: Any = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._self_chunks = self._self_chunks or iter(self.__wrapped__)
        return next(self._self_chunks)


class AsyncChunks(wrapt.ObjectProxy):
    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._self_chunks: Any = None

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        self._self_chunks = self._self_chunks or aiter(self.__wrapped__)
        return await anext(self._self_chunks)

    async def close(self) -> None:
        self.__wrapped__.close()


class _Sync:
    """A client, made when it is needed: how long it waits is said before."""

    def __init__(self, base_url: str, retries: int) -> None:
        self._base_url, self._retries = base_url, retries
        self.timeout = 60.0
        self._streams: list[Any] = []

    @cached_property
    def sdk(self) -> Any:
        config = Config(retries={"total_max_attempts": 1 + self._retries}, read_timeout=self.timeout)
        return _sync.client("bedrock-runtime", endpoint_url=self._base_url, config=config)

    def ask(self, operation: str, params: dict[str, Any], stream: str) -> Any:
        result = getattr(self.sdk, operation)(**params)
        if stream:
            self._streams.append(result[stream]._raw_stream)  # a connection that is just dropped makes a warning
            return Chunks(result[stream])
        return json.loads(result["body"].read()) if "body" in result else result

    def close(self) -> None:
        for raw in self._streams:
            raw.close()
        self.sdk.close()


class _Async(_Sync):
    def __init__(self, base_url: str, retries: int) -> None:
        super().__init__(base_url, retries)
        self._open = AsyncExitStack()
        self._made: Any = None

    async def _client(self) -> Any:
        if self._made is None:
            config = AioConfig(retries={"total_max_attempts": 1 + self._retries}, read_timeout=self.timeout)
            made = _async.create_client("bedrock-runtime", endpoint_url=self._base_url, config=config, **_KEYS)
            self._made = await self._open.enter_async_context(made)
        return self._made

    async def ask(self, operation: str, params: dict[str, Any], stream: str) -> Any:
        result = await getattr(await self._client(), operation)(**params)
        if stream:
            self._streams.append(result[stream]._raw_stream)
            return AsyncChunks(result[stream])
        return json.loads(await result["body"].read()) if "body" in result else result

    async def close(self) -> None:  # type: ignore[override]
        for raw in self._streams:
            raw.close()
        await self._open.aclose()


def _client(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    return (_Async if asynchronous else _Sync)(base_url, retries)


def _timed(client: Client, seconds: float) -> Client:
    client.timeout = seconds
    return client


def _converse(client: Client, text: str, stream: bool) -> Any:
    params = {"modelId": NOVA, "messages": [{"role": "user", "content": [{"text": text}]}]}
    return client.ask("converse_stream" if stream else "converse", params, "stream" if stream else "")


def _invoke(client: Client, text: str, stream: bool) -> Any:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": user(text)}
    operation = "invoke_model_with_response_stream" if stream else "invoke_model"
    return client.ask(operation, {"modelId": CLAUDE, "body": json.dumps(body)}, "body" if stream else "")


_CONVERSE = Case(
    name="bedrock-converse",
    provider="bedrock",
    provider_name="aws.bedrock",
    client=_client,
    call=_converse,
    stream_types=(EventStream, AioEventStream),
    api_error=exceptions.ClientError,
    network_error=exceptions.BotoCoreError,
    error_names=("ReadTimeoutError", "EndpointConnectionError", "ConnectionClosedError"),
    status_of=lambda error: error.response["ResponseMetadata"]["HTTPStatusCode"],
    timed=_timed,
    sender=lambda client: (client.sdk._endpoint.http_session, "send"),
    model=NOVA,
    answers_model=False,
    blocks=False,
    response=False,
    of_the_moment=frozenset({"ResponseMetadata"}),
)
CASES = (
    _CONVERSE,
    replace(_CONVERSE, name="bedrock-invoke", call=_invoke, model=CLAUDE, streams_usage_before_end=True),
)
