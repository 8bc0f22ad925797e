"""Amazon Bedrock by OpenTelemetry's own instrumentors: botocore (0.66b2) and genai-bedrock (1.3b0), read.

AWS's ``inputTokens`` leaves cached tokens out, and both write it as it is. For Cohere's and Mistral's models called by
InvokeModel, botocore estimates (a token for six letters) where the answer has no counts; for others called so it leaves
out what was read from and written to the cache.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost.dialects.base import CACHE_OUTSIDE, Emitter, Guess
from otel_cost.dialects.genai import GENAI
from otel_cost.model import Layer

BEDROCK_RAW: Final = replace(GENAI, name="bedrock", outside=(CACHE_OUTSIDE,))
GENAI_BEDROCK: Final = Emitter(BEDROCK_RAW, Layer.WIRE)
BOTOCORE: Final = Emitter(
    replace(
        BEDROCK_RAW,
        name="botocore",
        guesses=(
            Guess("instrumentation-botocore estimates the tokens of this model", only=("cohere.", "mistral.")),
            Guess(
                "instrumentation-botocore does not tell cached tokens of InvokeModel",
                only=("anthropic.", "amazon.nova"),
                saying=("rpc.method", ("InvokeModel", "InvokeModelWithResponseStream")),
            ),
        ),
    ),
    Layer.WIRE,
)
