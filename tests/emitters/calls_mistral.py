"""The calls of cases by mistralai. Runs in an emitter's environment."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from cases import Case
from telling import base_url, finish

try:
    from mistralai.client import Mistral
    from mistralai.client.errors import SDKError
except ImportError:  # before 2.0
    from mistralai import Mistral
    from mistralai.models import SDKError


def _client():
    return Mistral(api_key="none", server_url=base_url())


def _asked(case: Case) -> dict[str, object]:
    return {"model": case.model, "messages": [{"role": "user", "content": case.prompt}]}


def chat(case: Case) -> None:
    _client().chat.complete(**_asked(case))


def chat_async(case: Case) -> None:
    async def call() -> None:
        await _client().chat.complete_async(**_asked(case))

    finish(call())


def chat_in_threads(case: Case) -> None:
    client = _client()
    with ThreadPoolExecutor(case.calls) as pool:
        list(pool.map(lambda _: client.chat.complete(**_asked(case)), range(case.calls)))


def chat_stream(case: Case) -> None:
    client = _client()  # and no ``with``: OpenLLMetry makes a generator of the stream
    for _ in client.chat.stream(**_asked(case)):
        pass


def chat_failed(case: Case) -> None:
    with contextlib.suppress(SDKError):
        chat(case)


def embeddings(case: Case) -> None:
    _client().embeddings.create(model=case.model, inputs=[case.prompt])
