"""What is fetched from OpenAI after it was made: responses that ran in the background, and results of batches.

A background response is charged when it is first told complete, whoever fetches it; any other was charged when it was
made, and fetching it costs nothing. The results of a batch are the content of a file, told from other files by its
lines. Their submission is elsewhere and earlier: nothing there knows the tokens.

Source: the types of ``openai`` 3.54; OpenAI's guide to the batch API.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from otel_cost import semconv
from otel_cost_instrumentation import _hosts
from otel_cost_instrumentation._downloads import Download, Result, json_lines
from otel_cost_instrumentation._openai_answers import HEAD, chat, embeddings, response
from otel_cost_instrumentation._openai_media import images
from otel_cost_instrumentation._openai_streams import ResponseReader
from otel_cost_instrumentation._read import Attributes, count, field, text, texts
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._stainless import read_get

_RESPONSE: Final = re.compile(r"responses/[^/]+")
_FILE: Final = re.compile(r"files/[^/]+/content")


def read(client: object, args: tuple[object, ...], kwargs: Arguments) -> Request | Download | None:
    got = read_get(client, args, kwargs)
    if got is None:
        return None
    path = got.path.removeprefix("v1/")
    provider = _hosts.behind(client, got.address, _hosts.OPENAI, "openai")
    if _FILE.fullmatch(path):
        return Download(
            provider=provider,
            address=got.address,
            port=got.port,
            lines=partial(json_lines, marks=_MARKS),
            result=_result,
        )
    if not _RESPONSE.fullmatch(path):
        return None
    return Request(
        operation=semconv.OP_FETCH_RESPONSE,
        provider=provider,
        model="",
        address=got.address,
        port=got.port,
        answer=fetched,
        reader=lambda heard: ResponseReader(heard, fetched),
        arguments=kwargs,
        parameters={semconv.REQUEST_STREAM: True} if got.stream else {},
        spent=True,
        told_again=True,
    )


def fetched(answer: object) -> Attributes:
    """Of a response: what it cost, where it ran in the background and that is known; else only which one it is."""
    if field(answer, "background") is True and field(answer, "usage") is not None:
        return response(answer)
    return texts(answer, HEAD)


# --- results of batches -----------------------------------------------------------------------------------------------

_MARKS: Final = (b'"custom_id"', b'"response"')
"""What is in every line of a batch's output, and not in other files of lines."""
_KINDS: Final[Mapping[str, tuple[str, Callable[[object], Attributes]]]] = {
    "chat.completion": (semconv.OP_CHAT, chat),
    "text_completion": (semconv.OP_TEXT_COMPLETION, chat),
    "response": (semconv.OP_CHAT, response),
    "list": (semconv.OP_EMBEDDINGS, embeddings),
}
"""What an answer calls itself, to the operation and its reader. Images do not call themselves anything."""
_IMAGES: Final = (semconv.OP_GENERATE_CONTENT, images)
_FAILED_FROM: Final = 400


def _result(line: object) -> Result | None:
    """One line of a batch's output. Its id is made of the batch's and the request's, which the file does not name."""
    answer = field(line, "response", "body")
    key = text(line, "id") or text(answer, "id")
    if not key or answer is None or (count(line, "response", "status_code") or 0) >= _FAILED_FROM:
        return None
    if field(answer, "usage") is None:
        return None  # moderations are free
    operation, read_answer = _KINDS.get(text(answer, "object"), _IMAGES)
    found = read_answer(answer)
    found.setdefault(semconv.RESPONSE_ID, key)
    return Result(f"{key}/{text(line, 'custom_id')}", operation, found)
