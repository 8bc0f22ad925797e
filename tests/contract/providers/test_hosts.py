"""Who is paid, told by the client and the host that it calls; and Azure's deployments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import httpx
import httpx2
import openai
import pytest

from otel_cost import semconv
from otel_cost.config import Config, PriceSettings
from otel_cost.pricing import pricer_of
from tests.contract.providers.seen import attributes_of, only_span
from tests.support.world import World, make_world

USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
HELLO: Any = [{"role": "user", "content": "x"}]


def _http(model: str, seen: list[str]) -> Any:
    """An HTTP client, of whichever library this release of the SDK is built on, that answers every request."""
    library = httpx2 if issubclass(openai.DefaultHttpxClient, httpx2.Client) else httpx

    def answer(request: Any) -> Any:
        seen.append(request.url.path)
        body = {"id": "c", "object": "chat.completion", "model": model, "choices": [], "usage": USAGE}
        return library.Response(200, headers={"content-type": "application/json"}, content=json.dumps(body).encode())

    return openai.DefaultHttpxClient(transport=library.MockTransport(answer))


def _chat(base_url: str, model: str) -> None:
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=_http(model, [])) as client:
        client.chat.completions.create(model=model, messages=HELLO)


HOSTS: Final = {
    # base URL: (a model that is sold there, the provider on the span, what the price is filed under)
    "https://api.openai.com/v1": ("gpt-4o", "openai", "openai"),
    "https://eu.api.openai.com/v1": ("gpt-4o", "openai", "openai"),
    "https://api.groq.com/openai/v1": ("llama-3.3-70b-versatile", "groq", "groq"),
    "https://api.deepseek.com": ("deepseek-chat", "deepseek", "deepseek"),
    "https://api.x.ai/v1": ("grok-3", "x_ai", "x-ai"),
    "https://api.together.xyz/v1": ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "together", "together"),
    "https://api.fireworks.ai/inference/v1": ("accounts/fireworks/models/kimi-k2p6", "fireworks", "fireworks"),
    "https://api.mistral.ai/v1": ("mistral-small-latest", "mistral_ai", "mistral"),
    "https://api.perplexity.ai": ("sonar", "perplexity", "perplexity"),
    "https://api.cerebras.ai/v1": ("llama3.1-8b", "cerebras", "cerebras"),
    "https://openrouter.ai/api/v1": ("openai/gpt-4o", "openrouter", "openrouter"),
    "https://generativelanguage.googleapis.com/v1beta/openai": ("gemini-2.5-flash", "gcp.gemini", "google"),
    "https://api.anthropic.com/v1": ("claude-sonnet-4-5", "anthropic", "anthropic"),
    "https://api.moonshot.ai/v1": ("kimi-k2-0905-preview", "moonshot_ai", "moonshotai"),
    "https://API.OpenAI.com./v1": ("gpt-4o", "openai", "openai"),
    "https://api.openai.com:443/v1": ("gpt-4o", "openai", "openai"),
    "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1": ("openai.gpt-oss-120b-1:0", "aws.bedrock", "aws"),
    "https://x.services.ai.azure.com/models": ("gpt-4o", "azure.ai.inference", "openai"),
}


@pytest.mark.parametrize("base_url", HOSTS)
def test_the_host_says_who_is_paid(base_url: str, world: World) -> None:
    model, provider, seller = HOSTS[base_url]

    _chat(base_url, model)

    found = attributes_of(only_span(world))
    assert (found[semconv.PROVIDER_NAME], found[semconv.STATUS]) == (provider, "priced")
    assert found[semconv.PRICE_ID].startswith(f"{seller}/")


RENTED: Final = (
    "vllm-1234.us-east-1.elb.amazonaws.com",
    "x1.execute-api.us-east-1.amazonaws.com",
    "runtime.sagemaker.us-east-1.amazonaws.com",
)
"""AWS's names of machines and services that are not Bedrock: what runs there is anybody's."""


@pytest.mark.parametrize("host", ["vllm.internal", "10.1.2.3", *RENTED])
def test_an_unknown_host_is_named(host: str, world: World) -> None:
    _chat(f"http://{host}:8000/v1", "meta-llama/Llama-3-8B")

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.REASON]) == ("unpriced", "unknown_provider")
    assert f"host {host}" in found[semconv.DETAIL]
    assert semconv.PROVIDER_NAME not in found


def test_a_whole_url_says_where_it_goes(world: World) -> None:
    """The SDK sends such a request there, whatever its base URL is."""
    with openai.OpenAI(base_url="http://10.1.2.3/v1", api_key="none", http_client=_http("gpt-4o", [])) as client:
        body = {"model": "gpt-4o", "messages": HELLO}
        client.post("https://api.openai.com/v1/chat/completions?x=1", body=body, cast_to=object)

    found = attributes_of(only_span(world))
    assert (found[semconv.PROVIDER_NAME], found[semconv.SERVER_ADDRESS]) == ("openai", "api.openai.com")
    assert found[semconv.STATUS] == "priced"


def _azure(model: str, seen: list[str], **where: Any) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(api_key="none", api_version="2024-10-21", http_client=_http(model, seen), **where)


WHERE: Final = {
    "endpoint": {"azure_endpoint": "https://mine.openai.azure.com"},
    "deployment": {"azure_endpoint": "https://mine.openai.azure.com", "azure_deployment": "ours"},
    "gateway": {"base_url": "https://llm.corp.example/openai"},
    "loopback": {"azure_endpoint": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("where", WHERE.values(), ids=WHERE)
def test_a_deployment_of_azure_is_priced_by_the_model_that_answers(where: Any, world: World) -> None:
    seen: list[str] = []
    with _azure("gpt-4o-2024-11-20", seen, **where) as client:
        client.chat.completions.create(model="ours", messages=HELLO)

    found = attributes_of(only_span(world))
    assert seen[0].endswith("/deployments/ours/chat/completions")
    assert (found[semconv.PROVIDER_NAME], found[semconv.REQUEST_MODEL]) == ("azure.ai.openai", "ours")
    assert found[semconv.PRICE_ID].startswith("openai/gpt-4o")  # Azure sells it at that price


def test_an_alias_names_what_a_deployment_is(world: World, tmp_path: Path) -> None:
    """For answers that do not say it, such as images."""
    file = tmp_path / "prices.yaml"
    file.write_text("aliases: [{provider: azure, model: ours, is: gpt-4o}]")
    config = Config(prices=PriceSettings(files=(file,)))
    pricer = pricer_of(config)
    pricer.start_loading()
    assert pricer.catalog(60) is not None
    world = make_world(config, pricer=pricer)
    with _azure("", [], azure_endpoint="https://mine.openai.azure.com") as client:
        client.chat.completions.create(model="ours", messages=HELLO)

    found = attributes_of(only_span(world))
    assert (found[semconv.STATUS], found[semconv.COST_AMOUNT]) == ("priced", 0.0045)
