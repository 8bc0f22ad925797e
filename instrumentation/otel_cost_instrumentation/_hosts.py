"""Who is behind an address that is called through the ``openai`` or the ``anthropic`` SDK.

A host that is not in a table has no name here: the price is found by the host, or the call ends ``unpriced:
unknown_provider`` and its detail names it. Names are OpenTelemetry's where it has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_cost_instrumentation._address import provider_of
from otel_cost_instrumentation._ask_usage import AZURE

BEDROCK: Final = "aws.bedrock"
VERTEX: Final = "gcp.vertex_ai"
OPENAI: Final[Mapping[str, str]] = {
    "api.openai.com": "openai",
    ".api.openai.com": "openai",
    ".openai.azure.com": AZURE,
    ".cognitiveservices.azure.com": AZURE,
    ".azure-api.net": AZURE,
    ".services.ai.azure.com": "azure.ai.inference",
    ".inference.ai.azure.com": "azure.ai.inference",
    ".amazonaws.com": BEDROCK,
    ".api.aws": BEDROCK,
    "generativelanguage.googleapis.com": "gcp.gemini",
    ".googleapis.com": VERTEX,
    "api.anthropic.com": "anthropic",
    "api.arcee.ai": "arcee",
    "api.avian.io": "avian",
    "inference.baseten.co": "baseten",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.minimax.io": "minimax",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.novita.ai": "novita",
    "openrouter.ai": "openrouter",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.x.ai": "x_ai",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipuai",
}
"""Host, or domain from the dot on, to provider."""
ANTHROPIC: Final[Mapping[str, str]] = {
    "api.anthropic.com": "anthropic",
    ".amazonaws.com": BEDROCK,
    ".googleapis.com": VERTEX,
    ".services.ai.azure.com": "anthropic",
}
_CLIENTS: Final[Mapping[str, str]] = {
    "BaseAzureClient": AZURE,
    "BedrockOpenAI": BEDROCK,
    "AsyncBedrockOpenAI": BEDROCK,
    "BaseBedrockClient": BEDROCK,
    "BaseMantleClient": BEDROCK,
    "BaseVertexClient": VERTEX,
    # Anthropic's own platform, sold through a marketplace or run in another's cloud, at its own prices.
    "AnthropicAWS": "anthropic",
    "AsyncAnthropicAWS": "anthropic",
    "BaseFoundryClient": "anthropic",
    "BaseGoogleCloudClient": "anthropic",
}
"""Classes of clients that are made for one provider: it is that one behind whatever address they call."""


def behind(client: object, address: str, hosts: Mapping[str, str], own: str) -> str:
    """The provider that ``client`` calls at ``address``; "" for an unknown one. ``own``: the SDK's, on loopback."""
    return _made_for[type(client)] or provider_of(address, hosts, own)


class _MadeFor(dict[type, str]):
    """Class of a client to the provider that it is made for, "" for none."""

    def __missing__(self, kind: type) -> str:
        found = next((_CLIENTS[base.__name__] for base in kind.__mro__ if base.__name__ in _CLIENTS), "")
        if len(self) < 1000:
            self[kind] = found
        return found


_made_for: Final = _MadeFor()
