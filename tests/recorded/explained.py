"""The differences that are known, each with its reason. An entry that no longer fits any, or fits a call that is
exact, fails the test: it has to go, or to be made narrower."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from otel_cost.model import Reason
from tests.recorded.judging import Outcome, Verdict


@dataclass(frozen=True)
class Explained:
    """Exchanges of ``provider`` whose ``model`` and ``ids`` fit these patterns are ``verdict`` for ``reason``."""

    provider: str
    model: str
    reason: str
    because: str
    ids: str = "*"
    verdict: Verdict = Verdict.MISSING

    def covers(self, outcome: Outcome) -> bool:
        """Whether the exchange is one of those that this entry is about, whatever came of it."""
        exchange = outcome.exchange
        return (
            exchange.provider == self.provider
            and fnmatchcase(outcome.answer.model, self.model)
            and fnmatchcase(exchange.id, self.ids)
        )

    def explains(self, outcome: Outcome) -> bool:
        return self.covers(outcome) and (outcome.verdict, outcome.reason) == (self.verdict, self.reason)


_LIST: Final = "genai-prices 0.2.3"

EXPLAINED: Final = (
    Explained(
        "openai", "gpt-5-2025-08-07", Reason.NO_RATE,
        f"answered at the priority tier, whose price {_LIST} knows from 2026-10-12 on only; the calls are older. The"
        " standard price would be half of it",
        ids="*with_service_tier.yaml#*",
    ),
    Explained("bedrock", "ai21.j2-mid-v1", Reason.UNKNOWN_MODEL, f"a retired model that {_LIST} does not list"),
    Explained("bedrock", "anthropic.claude-v2", Reason.UNKNOWN_MODEL, f"a retired model that {_LIST} does not list"),
    Explained("bedrock", "cohere.command-*", Reason.UNKNOWN_MODEL, f"retired models that {_LIST} does not list"),
    Explained("bedrock", "meta.llama2-*", Reason.UNKNOWN_MODEL, f"a retired model that {_LIST} does not list"),
    Explained(
        "bedrock", "arn:aws:sagemaker:*", Reason.UNKNOWN_MODEL,
        "an endpoint of the user's own, billed by the hour and not by the token",
    ),
    Explained("cohere", "embed-english-light-v3.0", Reason.UNKNOWN_MODEL, f"{_LIST} does not list it"),
    Explained("cohere", "rerank-*-v2.0", Reason.UNKNOWN_MODEL, f"{_LIST} lists no reranker of that age"),
    Explained(
        "cohere", "rerank-english-v3.0", "",
        f"{_LIST} does not list it, so there is no bill to compare with: the amount is that of the packaged supplement",
        verdict=Verdict.WRONG,
    ),
    Explained(
        "gemini", "gemini-2.5-flash", Reason.USAGE_ESTIMATED,
        "the answer tells its output and not its prompt, so there is no bill to compare with: the prompt is estimated",
        ids="*_with_file_uri_image*", verdict=Verdict.WRONG,
    ),
    Explained(
        "ollama", "*", Reason.UNKNOWN_PROVIDER,
        "runs on the user's own machine: nobody bills tokens, and only the user knows what an hour of it costs",
    ),
    Explained("watsonx", "google/flan-ul2", Reason.UNKNOWN_PROVIDER, f"{_LIST} has no such provider"),
    Explained("writer", "palmyra-x4", Reason.UNKNOWN_PROVIDER, f"{_LIST} has no such provider"),
)  # fmt: skip
