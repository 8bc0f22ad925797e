"""OpenTelemetry's GenAI conventions: the official instrumentors, our own, and SDKs that trace themselves.

Sources: semantic-conventions-genai; opentelemetry-util-genai 1.3b0; the anthropic SDK's own tracing (since 1.17), which
sums cached tokens into the input as the convention says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import Dialect, Names
from otel_cost.units import UNITS

_MODALITY: Final[Mapping[str, Names]] = {
    **{f"input_{kind}_tokens": (f"gen_ai.usage.{kind}.input_tokens",) for kind in ("text", "audio", "image", "video")},
    **{
        f"output_{kind}_tokens": (f"gen_ai.usage.{kind}.output_tokens",) for kind in ("text", "audio", "image", "video")
    },
    **{
        f"cache_{kind}_read_tokens": (f"gen_ai.usage.{kind}.cache_read.input_tokens",)
        for kind in ("text", "audio", "image", "video")
    },
}

UNITS_BY_CONVENTION: Final[Mapping[str, Names]] = {
    # Units that have no conventional attribute are written by our instrumentors under their own name.
    **{unit: (semconv.UNIT_PREFIX + unit,) for unit in UNITS if not unit.endswith("_tokens")},
    **_MODALITY,
    "input_tokens": (semconv.USAGE_INPUT_TOKENS, "gen_ai.usage.prompt_tokens"),
    "output_tokens": (semconv.USAGE_OUTPUT_TOKENS, "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": (semconv.USAGE_CACHE_READ,),
    "cache_write_tokens": (semconv.USAGE_CACHE_WRITE, semconv.USAGE_CACHE_CREATION),
    "cache_write_5m_tokens": (semconv.ANTHROPIC_CACHE_5M,),
    "cache_write_1h_tokens": (semconv.ANTHROPIC_CACHE_1H,),
    "output_reasoning_tokens": (semconv.USAGE_REASONING,),
}

GENAI: Final = Dialect(
    name="genai",
    units=UNITS_BY_CONVENTION,
    marks=frozenset(
        {
            semconv.OPERATION_NAME,
            *UNITS_BY_CONVENTION["input_tokens"],
            *UNITS_BY_CONVENTION["output_tokens"],
        }
    ),
    operation=(semconv.OPERATION_NAME,),
    provider=(semconv.PROVIDER_NAME, semconv.SYSTEM),
    request_model=(semconv.REQUEST_MODEL,),
    response_model=(semconv.RESPONSE_MODEL,),
    response_id=(semconv.RESPONSE_ID,),
    finish_reasons=(semconv.RESPONSE_FINISH_REASONS,),
    # The answer's tier prices a call; the requested one never does.
    service_tier=(
        semconv.SERVICE_TIER,
        semconv.OPENAI_RESPONSE_SERVICE_TIER,
        "gen_ai.openai.response.service_tier",
        semconv.ANTHROPIC_RESPONSE_SERVICE_TIER,
    ),
    server_address=(semconv.SERVER_ADDRESS,),
    streaming=(semconv.REQUEST_STREAM,),
    estimated=(semconv.USAGE_ESTIMATED,),
)
