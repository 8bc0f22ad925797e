"""How far estimates are from what providers counted, over the recorded calls; exits 1 where a target is missed.

    python -m tests.benchmarks.bench_estimation

Needs the recorded responses (docs/recorded.md); the tokenizer's columns need the extra ``tokens``. Errors are of the
sum over all calls, then the median and the 90th percentile over the calls, in percent of the provider's count. Calls
whose request was cut short in the recording, or contains files, are left out; so are reasoning tokens, which nobody
sees. ``bytes/4`` is the usual rule of thumb, for comparison.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from otel_cost.estimating import Estimator, installed_tokenizer
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._read import Unread, sent, text, text_bytes
from otel_cost_instrumentation._read import field as field_of
from tests.benchmarks.reporting import Row, report
from tests.benchmarks.scripts_of_the_world import O200K_TOKENS, SENTENCES
from tests.recorded.answers import answer_of
from tests.recorded.exchanges import HOW_TO_GET_THEM, Exchange, exchanges, providers

INPUTS = (
    *("messages", "input", "instructions", "prompt", "system", "suffix", "text", "response_format", "contents"),
    *(
        "systemInstruction",
        "system_instruction",
        "message",
        "chat_history",
        "preamble",
        "documents",
        "texts",
        "inputText",
    ),
)
TOOLS = ("tools", "functions", "toolConfig")
CONVERSATIONS = ("messages", "contents", "message", "chat_history")


@dataclass
class Group:
    """What was counted and estimated of calls of one kind."""

    counted: list[int] = field(default_factory=list[int])
    estimates: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def add(self, counted: int, **estimates: int) -> None:
        self.counted.append(counted)
        for name, estimate in estimates.items():
            self.estimates.setdefault(name, []).append(estimate)

    def errors(self, name: str) -> tuple[float, float, float]:
        """Error of the sum; median and 90th percentile of the calls' errors, in percent."""
        pairs = list(zip(self.estimates[name], self.counted, strict=True))
        each = sorted(abs(estimate - counted) / counted * 100 for estimate, counted in pairs)
        cuts = quantiles(each, n=10, method="inclusive") if len(each) > 1 else each * 9
        return (sum(self.estimates[name]) / sum(self.counted) - 1) * 100, cuts[4], cuts[8]


# --- what was sent and what came back ---------------------------------------------------------------------------------


def prompt(exchange: Exchange) -> list[str | Unread]:
    return list(sent(*[exchange.request.get(name) for name in (*INPUTS, *TOOLS)]))


def answered(exchange: Exchange) -> list[str]:
    """The generated text of the formats that are known; streams in their pieces."""
    return [piece for document in exchange.documents for piece in _answered(document) if piece]


def _answered(document: Any) -> Iterable[str]:
    if document.get("choices"):
        return [piece for choice in document["choices"] for piece in written.said(choice, _where(choice))]
    if document.get("type") == "content_block_delta":
        return [str(document["delta"].get(name) or "") for name in ("text", "partial_json", "thinking")]
    if document.get("type") == "message":
        return written.message(document) or ()
    if isinstance(document.get("output"), list):
        return written.response(document) or ()
    if document.get("type") == "response.completed":
        return written.response(document["response"]) or ()
    return _parts(document)


def _where(choice: Any) -> str:
    return "delta" if "delta" in choice else "message"


def _parts(document: Any) -> Iterator[str]:
    """Gemini, Ollama, and Bedrock's Converse."""
    for candidate in document.get("candidates") or ():
        yield from _texts(field_of(candidate, "content", "parts"))
    yield text(document, "response")
    yield text(document, "message", "content")
    yield from _texts(field_of(document, "output", "message", "content"))


def _texts(parts: object) -> Iterator[str]:
    return (text(part, "text") for part in parts) if isinstance(parts, list) else iter(())


# --- estimates --------------------------------------------------------------------------------------------------------


def estimated(estimator: Estimator, pieces: Iterable[str | Unread], model: str, around: dict[str, bool]) -> int:
    text = estimator.text()
    for piece in pieces:
        if isinstance(piece, Unread):
            text.add_tokens(piece.tokens)
        else:
            text.add_apart(piece)
    return estimator.prompt_tokens_of(text, model, **around).tokens


def measured(ways: dict[str, Estimator]) -> dict[tuple[str, str, str], Group]:
    """By direction, provider and what is special about the calls."""
    groups: dict[tuple[str, str, str], Group] = {}
    for provider in providers():
        for exchange in exchanges(provider):
            answer = answer_of(exchange)
            counted = answer.counts.get("input_tokens")
            tools = any(exchange.request.get(name) for name in TOOLS)
            pieces = prompt(exchange)
            # More tokens than characters: the recording left text out and put a word for it.
            short = (counted or 0) > sum(len(piece) for piece in pieces if isinstance(piece, str)) + 1000
            blind = exchange.trimmed or short or any(isinstance(piece, Unread) and piece.file for piece in pieces)
            if counted and pieces and not blind and not exchange.request.get("previous_response_id"):
                chat = exchange.endpoint == "responses" or any(name in exchange.request for name in CONVERSATIONS)
                around = {"conversation": chat, "tools": tools}
                estimates = {name: estimated(way, pieces, answer.model, around) for name, way in ways.items()}
                rule = -(-text_bytes(*[piece for piece in pieces if isinstance(piece, str)]) // 4)
                group = groups.setdefault(("input", provider, "tools" if tools else ""), Group())
                group.add(counted, **estimates, **{"bytes/4": rule})
            said, out = answered(exchange), answer.counts.get("output_tokens", 0)
            out -= answer.counts.get("output_reasoning_tokens", 0)
            if said and out > 0:
                whole = ["".join(said) if len(exchange.documents) > 1 else " ".join(said)]
                around = {"conversation": False, "tools": False}
                estimates = {name: estimated(way, whole, answer.model, around) for name, way in ways.items()}
                group = groups.setdefault(("output", provider, ""), Group())
                group.add(out, **estimates, **{"bytes/4": -(-len(whole[0].encode()) // 4)})
    return groups


def show(title: tuple[str, ...], group: Group, names: Iterable[str]) -> None:
    cells = [
        f"{name}: {total:+6.1f} % {median:5.1f} % {high:6.1f} %"
        for name in names
        for total, median, high in [group.errors(name)]
    ]
    print(f"  {' '.join(title):<28} {len(group.counted):>4} calls {sum(group.counted):>7} tokens   {'   '.join(cells)}")


def per_text_us(estimator: Estimator) -> float:
    """Microseconds for an English text of 4,000 characters, some 900 tokens."""
    text = (SENTENCES["English"] + " ") * 20
    text = text[:4000]
    estimator.estimate_tokens(text, "gpt-4o")
    started = time.perf_counter()
    for _ in range(200):
        estimator.estimate_tokens(text, "gpt-4o")
    return (time.perf_counter() - started) / 200 * 1e6


def main() -> int:
    load = installed_tokenizer()
    ways = {"characters": Estimator(), **({"tokenizer": Estimator(load)} if load is not None else {})}
    names = (*ways, "bytes/4")
    if not providers():
        print(HOW_TO_GET_THEM)
        return 1
    print("Error of the sum, median, 90th percentile, against the provider's own count")
    sums: dict[str, Group] = {"input": Group(), "output": Group()}
    for title, group in sorted(measured(ways).items()):
        show(title, group, names)
        sums[title[0]].counted += group.counted
        for name in names:
            sums[title[0]].estimates.setdefault(name, []).extend(group.estimates[name])
    for direction, group in sums.items():
        show((direction, "all"), group, names)
    print("Against the vocabulary o200k_base, by kind of text")
    for script, sentence in SENTENCES.items():
        by_script = Group()
        estimate = ways["characters"].estimate_tokens(sentence, "gpt-4o").tokens
        by_script.add(O200K_TOKENS[script], characters=estimate, rule=-(-len(sentence.encode()) // 4))
        ours, rule = by_script.errors("characters")[0], by_script.errors("rule")[0]
        print(f"  {script:<12} characters: {ours:+6.1f} %   bytes/4: {rule:+6.1f} %")
    rows = [Row(f"4,000 characters by {name}", per_text_us(way), "µs") for name, way in ways.items()]
    rows += [
        Row(f"median error of an {direction} by its characters", group.errors("characters")[1], "%", at_most=20)
        for direction, group in sums.items()
    ]
    return report("Estimation", rows)


if __name__ == "__main__":
    sys.exit(main())
