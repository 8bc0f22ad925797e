"""Which provider a call went to: names that telemetry uses, hosts, and ``provider/model`` strings.

The ids on the right of the table are those of ``genai-prices``. Names are compared without regard to case and to
``.``, ``-`` and blanks against ``_``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

ALIASES: Final[dict[str, str]] = {
    # values of the provider attribute in OpenTelemetry's semantic conventions
    "azure_ai_openai": "azure",
    "azure_ai_inference": "azure",
    "aws_bedrock": "aws",
    "gcp_gemini": "google",
    "gcp_vertex_ai": "google",
    "gcp_gen_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "moonshot_ai": "moonshotai",
    # what instrumentations, frameworks and gateways write instead
    "az_ai_openai": "azure",
    "az_ai_inference": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azureopenai": "azure",
    "amazon_bedrock": "aws",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "claude": "anthropic",
    "cohere_chat": "cohere",
    "deepseek_ai": "deepseek",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "grok": "x-ai",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "perplexity_ai": "perplexity",
    "together_ai": "together",
    "togetherai": "together",
    "vertex_ai": "google",
    "vertexai": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
    "z_ai": "zai",
}

PREFIX_NAMES: Final = frozenset(ALIASES) - {"mistralai", "deepseek_ai"}
"""Aliases that also count before a slash. The others are organisations on model hubs (``mistralai/Mistral-7B``), where
the same words say who made a self-hosted model, not who is paid for the call."""

NO_EVIDENCE: Final = frozenset({"", "litellm", "other", "_other", "unknown"})
"""Provider names that say nothing about who is paid."""

SPOKEN_BY_OTHERS: Final = frozenset({"openai", "anthropic"})
"""Providers whose wire format others offer too: here the host, where it is known, says who is paid."""

PATH_PREFIXES: Final = frozenset({"accounts", "models", "publishers"})
"""First words of resource names, which are no provider although a slash follows."""

_RESOURCE: Final = re.compile(
    r"(?:(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/)?models/([^/]+)", re.IGNORECASE
)
_SEPARATORS: Final = re.compile(r"[.\-\s]+")


def plain(name: str) -> str:
    """``name`` as names are compared."""
    return _SEPARATORS.sub("_", name.strip().lower())


def canonical(name: str) -> str:
    """``name`` as it is compared, and all names of one provider as the same."""
    written = plain(name)
    return plain(ALIASES.get(written, written))


def public_host(address: str) -> str:
    """The host in ``address`` in lower case without a port, or "" if it says nothing (loopback, unspecified, none)."""
    host = address.strip().lower().partition("://")[2] or address.strip().lower()
    host = host.partition("/")[0]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    host = host.rstrip(".")
    return "" if host == "localhost" or host.endswith(".localhost") or _is_own_address(host) else host


def resource_model(ref: str) -> str:
    """The model in a resource name of Google's (``models/m``, ``projects/.../publishers/google/models/m``); "" where
    ``ref`` is none. A model of one's own (``projects/.../models/1234``) is not the public one of that name."""
    match = _RESOURCE.fullmatch(ref)
    return match[1] if match is not None else ""


def priced_model(provider: str, asked: str, answered: str) -> str:
    """The model that a call is priced by: the one that answered. Anthropic's on Bedrock answer with their own name,
    without the region in Bedrock's, which decides the price: there it is the one that was asked for."""
    if asked != answered and answered in asked and canonical(provider) == "aws":
        return asked
    return answered or asked


def _is_own_address(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
