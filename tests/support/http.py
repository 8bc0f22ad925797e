"""The little HTTP that tests speak themselves, on the standard library."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

# Loopback only: a proxy from the environment must not come between.
_opener = build_opener(ProxyHandler({}))


def answers(url: str) -> bool:
    """Whether a GET is answered with 2xx. Raises OSError while nothing listens."""
    try:
        with _opener.open(url, timeout=5) as response:
            return bool(200 <= response.status < 300)
    except HTTPError:
        return False


def get_text(url: str, *, key: str = "", **query: str) -> str:
    """The body of a GET, sent with an access key where there is one. Raises HTTPError (an OSError) on 4xx and 5xx."""
    request = Request(f"{url}?{urlencode(query)}" if query else url, headers={"x-api-key": key} if key else {})
    with _opener.open(request, timeout=10) as response:
        body: bytes = response.read()
    return body.decode()


def get_json(url: str, **query: str) -> object:
    """The parsed body of a GET. Raises HTTPError (an OSError) on 4xx and 5xx."""
    parsed: object = json.loads(get_text(url, **query))
    return parsed


def post(url: str, body: bytes, content_type: str) -> int:
    """The status of a POST, also when it is an error's."""
    request = Request(url, data=body, headers={"Content-Type": content_type}, method="POST")
    try:
        with _opener.open(request, timeout=10) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code
