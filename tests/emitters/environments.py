"""``python -m tests.emitters.environments``: one cached environment an emitter set, made with uv.

The emitters cannot all live in one environment (they pin each other's dependencies away). An environment is keyed by
its list of requirements; otel-cost itself is not in it but in a directory put before it, so that checkouts share it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from tests.support import tools

SDKS: Final = ("openai==3.54.0", "anthropic==2.12.0")


@dataclass(frozen=True)
class EmitterSet:
    """Instrumentations that install together, with the SDKs that they observe."""

    name: str
    requirements: tuple[str, ...]

    @property
    def home(self) -> Path:
        wanted = "\n".join((sys.version, *self.requirements, *_own_dependencies()))
        return tools.cache_directory() / f"emitters-{self.name}-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def require(self) -> Path:
        """The environment's interpreter; without one the test is skipped, or fails in CI."""
        if not self.python.exists():
            tools.unavailable(f"no environment for {self.name}: run `make test-emitters` with a network")
        return self.python


_CLOUD_SDKS: Final = ("boto3==1.44.5", "google-genai==2.34.0")
_OLD_MISTRAL: Final = "mistralai==1.12.4"  # what OpenLLMetry and OpenLIT can read
_LANGCHAIN: Final = ("langchain-openai==1.7.3", "langchain-anthropic==1.7.7")

MODERN: Final = EmitterSet(
    "modern",
    (
        *SDKS,
        *_LANGCHAIN,
        "opentelemetry-instrumentation-genai-openai==1.3b0",
        "opentelemetry-instrumentation-genai-anthropic==1.3b0",
        "opentelemetry-instrumentation-genai-langchain==1.3b0",
        "openinference-instrumentation-openai==0.1.66",
        "openinference-instrumentation-anthropic==3.1.0",
        "openinference-instrumentation-langchain==0.1.80",
        "logfire==5.2.0",
        "pydantic-ai-slim[openai,anthropic]==2.68.0",
        "langfuse==5.0.4",
        "langchain==1.4.7",  # Langfuse's handler imports it
    ),
)
OPENLLMETRY: Final = EmitterSet(
    "openllmetry",
    (
        *SDKS,
        *_LANGCHAIN,
        "opentelemetry-instrumentation-openai==0.62.4",
        "opentelemetry-instrumentation-anthropic==0.62.4",
        "opentelemetry-instrumentation-langchain==0.62.4",
        *_CLOUD_SDKS,
        _OLD_MISTRAL,
        "opentelemetry-instrumentation-bedrock==0.62.4",
        "opentelemetry-instrumentation-google-generativeai==0.62.4",
        "opentelemetry-instrumentation-mistralai==0.62.4",
    ),
)
LITELLM: Final = EmitterSet(
    "litellm",
    (
        *("litellm==1.106.2", "openai==2.54.0", "anthropic==2.12.0", "mcp==2.3.0"),  # its responses import the last
        # The newer ones have other module names, and their predecessor does not follow.
        *("opentelemetry-instrumentation-openai-v2==2.4b0", "opentelemetry-util-genai==0.4b0"),
    ),
)
OPENLIT: Final = EmitterSet(
    "openlit", ("openlit==1.45.0", "openai==2.54.0", "anthropic==0.125.0", *_LANGCHAIN, *_CLOUD_SDKS, _OLD_MISTRAL)
)
CLOUDS: Final = EmitterSet(
    "clouds",
    (
        SDKS[0],
        *_CLOUD_SDKS,
        "mistralai==3.7.0",
        "opentelemetry-instrumentation-botocore==0.66b2",
        "opentelemetry-instrumentation-genai-bedrock==1.3b0",
        "opentelemetry-instrumentation-google-genai==1.3b0",
        "openinference-instrumentation-bedrock==0.1.61",
        "openinference-instrumentation-google-genai==1.4.14",
        "openinference-instrumentation-mistralai==2.2.2",
    ),
)
OLDEST: Final = EmitterSet(
    "oldest",
    (
        *("openai==1.66.0", "anthropic==0.47.2", "groq==0.18.0", "cohere==5.16.0", "google-genai==1.22.0"),
        *("mistralai==2.10.0", "boto3==1.34.131", "aiobotocore==2.13.1", "huggingface-hub==1.0.0"),
    ),
)
"""The oldest releases of the SDKs that our instrumentors are held to; no emitter is in it (tests/versions)."""
OLDEST_APART: Final = EmitterSet("oldest-apart", ("litellm==1.80.0", "openai==1.99.5", "ollama==0.4.0"))
"""The same for those that need another ``openai`` or ``httpx``."""
TOO_OLD: Final = EmitterSet(
    "too-old",
    (
        *("cohere==5.15.0", "google-genai==1.21.0", "mistralai==1.12.4"),
        *("huggingface-hub==0.36.2", "aiohttp==3.14.5"),  # its asynchronous client is aiohttp's
    ),
)
"""The last releases that our instrumentors leave alone."""
_OF_THE_SDKS: Final = (OLDEST, OLDEST_APART, TOO_OLD)
FRAMEWORKS: Final = EmitterSet(
    "frameworks",
    (
        *SDKS,
        *_LANGCHAIN,
        *("langchain==1.4.7", "langgraph==1.2.22"),
        "pydantic-ai-slim[openai,anthropic]==2.68.0",
        "openai-agents==0.24.0",
    ),
)
FRAMEWORKS_BEHIND: Final = EmitterSet(
    "frameworks_behind",
    (
        "openai==2.54.0",
        "crewai[anthropic]==1.15.30",
        *("llama-index-core==0.14.25", "llama-index-llms-openai==0.8.3", "llama-index-llms-anthropic==0.10.2"),
        "llama-index-embeddings-openai==0.7.0",
    ),
)
"""Frameworks that call SDKs, under our instrumentors and nobody else's (tests/emitters/frameworks); CrewAI and
LlamaIndex pin the SDKs to older releases."""
SETS: Final = (MODERN, OPENLLMETRY, LITELLM, OPENLIT, CLOUDS)
"""The largest that resolve. OpenLLMetry's packages have the official ones' names as entry points; LiteLLM and OpenLIT
pin the SDKs to older releases, as OpenTelemetry's google-genai does."""

_ALL: Final = (*SETS, FRAMEWORKS, FRAMEWORKS_BEHIND, *_OF_THE_SDKS)


def _own_dependencies() -> list[str]:
    project = tomllib.loads((tools.CHECKOUT / "pyproject.toml").read_text())["project"]
    return cast(list[str], project["dependencies"])


def _create(emitters: EmitterSet) -> bool:
    _say(f"{emitters.name}: making its environment (a minute, kept for the next time)")
    home = emitters.home
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="work-") as scratch:
        venv = Path(scratch) / "venv"
        python = str(venv / "bin" / "python")
        requirements = [*emitters.requirements, *_own_dependencies()]
        # Relocatable, because it moves into place only when it is complete.
        uv = [sys.executable, "-m", "uv"]
        install = ["install", "--quiet", "--compile-bytecode", "--python", python]
        for command in (
            [*uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(venv)],
            [*uv, "pip", *install, *requirements],
        ):
            if subprocess.run(command, check=False).returncode:
                _say(f"{emitters.name}: could not be made; its tests will be skipped (see above)")
                return False
        if not home.exists():  # somebody else may have been faster
            os.replace(venv, home)
    return True


def _say(text: str) -> None:
    print(f"» {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Make what is missing; 0 unless one could not be made in CI."""
    made = [emitters.python.exists() or _create(emitters) for emitters in _ALL]
    for emitters in _ALL:
        _say(f"{emitters.name}: {emitters.home if emitters.python.exists() else 'missing'}")
    return 0 if all(made) or not tools.in_ci() else 1


if __name__ == "__main__":
    sys.exit(main())
