"""Starts one emitter, as its documentation says. One function an emitter; runs in the emitter's environment."""

from __future__ import annotations

from importlib.metadata import entry_points

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from telling import SPANS, base_url


def provider() -> None:
    """What an app does first: an SDK provider with an exporter."""
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(SPANS))
    trace.set_tracer_provider(made)


def logfires_provider() -> None:
    """Logfire brings its own provider, and makes it the global one."""
    import logfire

    logfire.configure(
        send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(SPANS)], metrics=False
    )


PROVIDERS = {"logfire": logfires_provider, "pydantic_ai_logfire": logfires_provider}
"""Emitters that bring a provider of their own."""


def _official(*names: str) -> None:
    for point in entry_points(group="opentelemetry_instrumentor"):
        if point.name in names and ".genai." in point.value:
            point.load()().instrument()


def official() -> None:
    _official("openai", "anthropic")


def openai_v2() -> None:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


def official_langchain() -> None:
    _official("openai", "anthropic", "langchain")


def anthropic_sdk() -> None:
    """Nothing: the SDK traces itself."""


def openllmetry() -> None:
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()


def openllmetry_langchain() -> None:
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    openllmetry()
    LangchainInstrumentor().instrument()


def openinference() -> None:
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()


def openinference_langchain() -> None:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    openinference()
    LangChainInstrumentor().instrument()


def openlit() -> None:
    import openlit as lit

    lit.init(disable_metrics=True, disabled_instrumentors=["httpx", "requests", "urllib", "urllib3", "aiohttp"])


openlit_langchain = openlit


def logfire() -> None:
    import logfire as fire

    fire.instrument_openai()
    fire.instrument_anthropic()


def pydantic_ai() -> None:
    from pydantic_ai import Agent

    Agent.instrument_all()


def pydantic_ai_logfire() -> None:
    logfire()
    import logfire as fire

    fire.instrument_pydantic_ai()


def litellm_otel() -> None:
    import litellm

    litellm.callbacks = ["otel"]


def litellm_otel_v2() -> None:
    import litellm
    from litellm.integrations.otel.logger import OpenTelemetryV2

    # Named in ``callbacks`` it would make a provider of its own.
    litellm.callbacks = [OpenTelemetryV2(tracer_provider=trace.get_tracer_provider())]


def langfuse_openai() -> None:
    langfuse_langchain()
    import langfuse.openai  # noqa: F401  # importing it wraps the SDK's methods


def langfuse_langchain() -> None:
    from langfuse import Langfuse

    # Its spans go to the global provider; what it wants to send to Langfuse, the stand-in does not know.
    Langfuse(public_key="pk", secret_key="sk", tracer_provider=trace.get_tracer_provider(), base_url=base_url())


def botocore() -> None:
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

    BotocoreInstrumentor().instrument()


def genai_bedrock() -> None:
    from opentelemetry.instrumentation.genai.bedrock import BedrockInstrumentor

    BedrockInstrumentor().instrument()


def openinference_bedrock() -> None:
    from openinference.instrumentation.bedrock import BedrockInstrumentor

    BedrockInstrumentor().instrument()


def all_bedrock() -> None:
    botocore()
    genai_bedrock()
    openinference_bedrock()


def openllmetry_bedrock() -> None:
    from opentelemetry.instrumentation.bedrock import BedrockInstrumentor

    BedrockInstrumentor().instrument()


openlit_bedrock = openlit_gemini = openlit_mistral = openlit


def google_genai() -> None:
    from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor

    GoogleGenAiSdkInstrumentor().instrument()


def openinference_gemini() -> None:
    from openinference.instrumentation.google_genai import GoogleGenAIInstrumentor

    GoogleGenAIInstrumentor().instrument()


def all_gemini() -> None:
    google_genai()
    openinference_gemini()


def openllmetry_gemini() -> None:
    from opentelemetry.instrumentation.google_generativeai import GoogleGenerativeAiInstrumentor

    GoogleGenerativeAiInstrumentor().instrument()


def mistral_sdk() -> None:
    """Nothing: the SDK traces itself."""


def openinference_mistral() -> None:
    from openinference.instrumentation.mistralai import MistralAIInstrumentor

    MistralAIInstrumentor().instrument()


all_mistral = openinference_mistral


def openllmetry_mistral() -> None:
    from opentelemetry.instrumentation.mistralai import MistralAiInstrumentor

    MistralAiInstrumentor().instrument()
