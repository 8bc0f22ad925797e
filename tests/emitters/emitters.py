"""The emitters that are run, each in an environment that holds it. Their scripts import this: standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_OWN_SPANS_OF_ANTHROPIC: Final = {"ANTHROPIC_OPEN_TELEMETRY": "true"}


@dataclass(frozen=True)
class Emitter:
    """One way to instrument an app.

    Attributes:
        name: Its key, and the name of the function in ``starters`` that starts it.
        title: For the docs.
        home: Name of the environment that it lives in.
        via: Who makes the calls that it is to observe, as in :attr:`cases.Case.via`.
        providers: Whose calls it can see.
        variables: Environment variables that it needs.
        direct: Whether it also sees calls that are made beside its framework.
    """

    name: str
    title: str
    home: str
    via: str = "sdk"
    providers: tuple[str, ...] = ("openai", "anthropic")
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    direct: bool = True

    @property
    def modes(self) -> tuple[str, ...]:
        """``alone``; ``native``: beside the anthropic SDK's own spans; ``ours``: beside all that and our own."""
        if self.name == "anthropic_sdk":
            return ("alone", "ours")
        if self.of_a_cloud:
            return ("alone", "ours")
        beside = ("native",) if "anthropic" in self.providers and self.home in _HOMES_OF_A_TRACED_SDK else ()
        return ("alone", *beside, "ours")

    @property
    def of_a_cloud(self) -> bool:
        """Whether it observes the SDK of a cloud, for which there is a stand-in of its own."""
        return self.via in _CLOUDS

    def settings(self, mode: str) -> dict[str, str]:
        """Environment variables for a run in ``mode``."""
        return {
            "ANTHROPIC_OPEN_TELEMETRY": "false" if mode == "alone" else "true",
            "OTEL_COST_INSTRUMENT": "true" if mode == "ours" else "false",
            "OTEL_COST_STREAM_USAGE_HOSTS": "127.0.0.1",
            **self.variables,
        }


_HOMES_OF_A_TRACED_SDK: Final = ("modern", "openllmetry")
_OWN_SPANS_OF_MISTRAL: Final = {"MISTRAL_SDK_TELEMETRY": "global"}
_NOTHING: Final[Mapping[str, str]] = {}
_ANTHROPIC: Final = ("anthropic",)
_OPENAI: Final = ("openai",)
_CLOUDS: Final = {"bedrock": "aws", "gemini": "google", "mistral": "mistral"}


def _cloud(name: str, title: str, home: str, via: str, variables: Mapping[str, str] = _NOTHING) -> Emitter:
    return Emitter(name, title, home, via, providers=(_CLOUDS[via],), variables=variables, direct=False)


EMITTERS: Final = (
    Emitter("official", "OpenTelemetry genai-openai, genai-anthropic", "modern"),
    Emitter("official_langchain", "OpenTelemetry genai-langchain + genai-openai, -anthropic", "modern", "langchain"),
    Emitter(
        "anthropic_sdk",
        "the anthropic SDK's own spans",
        "modern",
        providers=_ANTHROPIC,
        variables=_OWN_SPANS_OF_ANTHROPIC,
    ),
    Emitter("openllmetry", "OpenLLMetry openai, anthropic", "openllmetry"),
    Emitter("openllmetry_langchain", "OpenLLMetry langchain + openai, anthropic", "openllmetry", "langchain"),
    Emitter("openinference", "OpenInference openai, anthropic", "modern"),
    Emitter("openinference_langchain", "OpenInference langchain + openai, anthropic", "modern", "langchain"),
    Emitter("openlit", "OpenLIT", "openlit"),
    Emitter("openlit_langchain", "OpenLIT, LangChain", "openlit", "langchain"),
    Emitter("logfire", "Logfire instrument_openai, instrument_anthropic", "modern"),
    Emitter("pydantic_ai", "Pydantic-AI", "modern", "pydantic_ai", direct=False),
    Emitter("pydantic_ai_logfire", "Pydantic-AI + Logfire openai, anthropic", "modern", "pydantic_ai"),
    Emitter("litellm_otel", "LiteLLM callback otel", "litellm", "litellm", direct=False),
    Emitter("litellm_otel_v2", "LiteLLM callback OpenTelemetryV2", "litellm", "litellm", direct=False),
    Emitter("langfuse_openai", "Langfuse, its OpenAI client", "modern", providers=_OPENAI),
    Emitter("langfuse_langchain", "Langfuse, its LangChain handler", "modern", "langchain", direct=False),
    Emitter("openai_v2", "OpenTelemetry openai-v2", "litellm", providers=_OPENAI),
    _cloud("botocore", "OpenTelemetry botocore", "clouds", "bedrock"),
    _cloud("genai_bedrock", "OpenTelemetry genai-bedrock", "clouds", "bedrock"),
    _cloud("openinference_bedrock", "OpenInference bedrock", "clouds", "bedrock"),
    _cloud("all_bedrock", "botocore + genai-bedrock + OpenInference bedrock", "clouds", "bedrock"),
    _cloud("openllmetry_bedrock", "OpenLLMetry bedrock", "openllmetry", "bedrock"),
    _cloud("openlit_bedrock", "OpenLIT", "openlit", "bedrock"),
    _cloud("google_genai", "OpenTelemetry google-genai", "clouds", "gemini"),
    _cloud("openinference_gemini", "OpenInference google-genai", "clouds", "gemini"),
    _cloud("all_gemini", "OpenTelemetry + OpenInference google-genai", "clouds", "gemini"),
    _cloud("openllmetry_gemini", "OpenLLMetry google-generativeai", "openllmetry", "gemini"),
    _cloud("openlit_gemini", "OpenLIT", "openlit", "gemini"),
    _cloud("mistral_sdk", "the mistralai SDK's own spans", "clouds", "mistral", _OWN_SPANS_OF_MISTRAL),
    _cloud("openinference_mistral", "OpenInference mistralai", "clouds", "mistral"),
    _cloud("openllmetry_mistral", "OpenLLMetry mistralai", "openllmetry", "mistral"),
    _cloud("openlit_mistral", "OpenLIT", "openlit", "mistral"),
    _cloud("all_mistral", "OpenInference mistralai + the SDK's own spans", "clouds", "mistral", _OWN_SPANS_OF_MISTRAL),
)
