"""The calls of cases by google-genai. Runs in an emitter's environment."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from cases import Case
from google import genai
from google.genai import errors, types
from telling import base_url, finish


def _client():
    options = types.HttpOptions(base_url=base_url(), retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key="none", http_options=options)


def _asked(case: Case) -> dict[str, object]:
    return {"model": case.model, "contents": case.prompt}


def generate(case: Case) -> None:
    client = _client()  # it closes its connections when nobody holds it
    client.models.generate_content(**_asked(case))


generate_cached_and_thinking = generate


def generate_async(case: Case) -> None:
    async def call() -> None:
        client = _client()
        await client.aio.models.generate_content(**_asked(case))

    finish(call())


def generate_in_threads(case: Case) -> None:
    client = _client()
    with ThreadPoolExecutor(case.calls) as pool:
        list(pool.map(lambda _: client.models.generate_content(**_asked(case)), range(case.calls)))


def generate_stream(case: Case) -> None:
    client = _client()
    for _ in client.models.generate_content_stream(**_asked(case)):
        pass


def generate_failed(case: Case) -> None:
    with contextlib.suppress(errors.APIError):
        generate(case)
