"""The calls of cases by boto3. Runs in an emitter's environment."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from cases import Case
from telling import base_url


def _client():
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=base_url(),
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _asked(case: Case) -> dict[str, object]:
    return {"modelId": case.model, "messages": [{"role": "user", "content": [{"text": case.prompt}]}]}


def _body(case: Case) -> dict[str, object]:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": case.prompt}],
    }
    return {"modelId": case.model, "body": json.dumps(body)}


def converse(case: Case) -> None:
    _client().converse(**_asked(case))


converse_cached = converse


def converse_in_threads(case: Case) -> None:
    client = _client()
    with ThreadPoolExecutor(case.calls) as pool:
        list(pool.map(lambda _: client.converse(**_asked(case)), range(case.calls)))


def converse_failed(case: Case) -> None:
    with contextlib.suppress(ClientError):
        converse(case)


def converse_stream(case: Case) -> None:
    list(_client().converse_stream(**_asked(case))["stream"])


def invoke(case: Case) -> None:
    _client().invoke_model(**_body(case))["body"].read()


def invoke_stream(case: Case) -> None:
    list(_client().invoke_model_with_response_stream(**_body(case))["body"])
