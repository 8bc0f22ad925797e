"""Which of two names prices a call: the answered model's, but for Anthropic's models on Bedrock."""

from __future__ import annotations

import pytest

from otel_cost.pricing.providers import priced_model

REGIONAL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
NAME = "claude-sonnet-4-5-20250929"
PROFILE = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x"


@pytest.mark.parametrize(
    ("provider", "asked", "answered", "priced"),
    [
        ("aws.bedrock", REGIONAL, NAME, REGIONAL),
        ("bedrock", REGIONAL, NAME, REGIONAL),
        ("aws.bedrock", PROFILE, NAME, NAME),
        ("aws.bedrock", REGIONAL, "", REGIONAL),
        ("openai", "gpt-4o", "gpt-4o-2024-11-20", "gpt-4o-2024-11-20"),
        ("openrouter", "openai/gpt-4o", "gpt-4o", "gpt-4o"),
    ],
)
def test_the_name_that_prices_a_call(provider: str, asked: str, answered: str, priced: str) -> None:
    assert priced_model(provider, asked, answered) == priced
