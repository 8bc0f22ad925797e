"""The calls of cases by the SDKs themselves. Runs in an emitter's environment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from cases import Case
from telling import base_url, finish


def _openai(kind: str = "OpenAI", retries: int = 0):
    import openai

    return getattr(openai, kind)(base_url=f"{base_url()}/v1", api_key="none", max_retries=retries)


def _anthropic(kind: str = "Anthropic"):
    import anthropic

    return getattr(anthropic, kind)(base_url=base_url(), api_key="none", max_retries=0)


def _asked(case: Case) -> dict[str, object]:
    return {"model": case.model, "messages": [{"role": "user", "content": case.prompt}]}


def _drain(chunks: Iterable[object]) -> None:
    for _ in chunks:
        pass


def chat(case: Case) -> None:
    with _openai() as client:
        client.chat.completions.create(**_asked(case))


chat_cached_and_reasoning = chat_unknown_model = chat


def chat_async(case: Case) -> None:
    async def call() -> None:
        async with _openai("AsyncOpenAI") as client:
            await client.chat.completions.create(**_asked(case))

    finish(call())


def chat_stream(case: Case) -> None:
    with _openai() as client:
        _drain(client.chat.completions.create(**_asked(case), stream=True, stream_options={"include_usage": True}))


chat_stream_cached = chat_stream


def chat_stream_without_usage(case: Case) -> None:
    with _openai() as client:
        _drain(client.chat.completions.create(**_asked(case), stream=True))


def chat_twice(case: Case) -> None:
    with _openai() as client:
        for _ in range(2):
            client.chat.completions.create(**_asked(case))


def chat_in_threads(case: Case) -> None:
    with _openai() as client, ThreadPoolExecutor(8) as pool:
        _drain(pool.map(lambda _: client.chat.completions.create(**_asked(case)), range(8)))


def chat_retried(case: Case) -> None:
    with _openai(retries=1) as client:
        client.chat.completions.create(**_asked(case))


def chat_failed(case: Case) -> None:
    import openai

    with contextlib.suppress(openai.InternalServerError):
        chat(case)


def responses(case: Case) -> None:
    with _openai() as client:
        client.responses.create(model=case.model, input=case.prompt)


responses_web_search = responses


def responses_stream(case: Case) -> None:
    with _openai() as client:
        _drain(client.responses.create(model=case.model, input=case.prompt, stream=True))


def embeddings(case: Case) -> None:
    with _openai() as client:
        client.embeddings.create(model=case.model, input=case.prompt)


def messages(case: Case) -> None:
    with _anthropic() as client:
        client.messages.create(**_asked(case), max_tokens=1000)


messages_cached = messages_web_search = messages


def messages_async(case: Case) -> None:
    async def call() -> None:
        async with _anthropic("AsyncAnthropic") as client:
            await client.messages.create(**_asked(case), max_tokens=1000)

    finish(call())


def messages_stream(case: Case) -> None:
    with _anthropic() as client:
        _drain(client.messages.create(**_asked(case), max_tokens=1000, stream=True))


messages_stream_web_search = messages_stream


def messages_stream_helper(case: Case) -> None:
    with _anthropic() as client, client.messages.stream(**_asked(case), max_tokens=1000) as stream:
        stream.until_done()


def messages_twice(case: Case) -> None:
    with _anthropic() as client:
        for _ in range(2):
            client.messages.create(**_asked(case), max_tokens=1000)
