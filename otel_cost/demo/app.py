"""The sample app: agents of a newsroom and a help desk, on the ``openai`` and ``anthropic`` SDKs.

An ordinary app. Nothing here measures, prices or limits anything: ``opentelemetry-instrument`` brings otel-cost in from
outside. The one thing that the app says about costs is who is asking (``otel_cost.labels``). Sessions that need a
provider whose API key is not in the environment are left out.

    opentelemetry-instrument python app.py
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anthropic
import openai
from opentelemetry import trace

import otel_cost

MAX_TOKENS = int(os.environ.get("MAX_TOKENS", "1000"))
REVIEWS = 12

tracer = trace.get_tracer("newsroom")


@contextmanager
def agent(name: str) -> Iterator[None]:
    with otel_cost.labels(agent=name), tracer.start_as_current_span(f"agent {name}"):
        yield


def plan(question: str) -> str:
    with agent("planner"), openai.OpenAI() as client:
        answer = client.chat.completions.create(
            model="gpt-4.1-mini",
            messages=[
                {"role": "system", "content": "You plan research. Answer with the steps, one a line."},
                {"role": "user", "content": f"Plan the research for: {question}"},
            ],
            max_completion_tokens=MAX_TOKENS,
        )
    return answer.choices[0].message.content or ""


def research(steps: str) -> str:
    with agent("researcher"):
        if "OPENAI_API_KEY" in os.environ:
            with openai.OpenAI() as client:
                client.embeddings.create(model="text-embedding-3-small", input=[steps, f"sources on {steps}"])
        with (
            anthropic.Anthropic() as claude,
            claude.messages.stream(
                model="claude-sonnet-4-6",
                max_tokens=MAX_TOKENS,
                messages=[{"role": "user", "content": f"Research these steps and give your findings: {steps}"}],
            ) as stream,
        ):
            return "".join(stream.text_stream)


def write(findings: str) -> str:
    text = ""
    with agent("writer"), openai.OpenAI() as client:
        events = client.responses.create(
            model="gpt-5-mini",
            instructions="You write for a daily paper.",
            input=f"Write the article from these findings: {findings}",
            max_output_tokens=MAX_TOKENS,
            stream=True,
        )
        for event in events:
            if event.type == "response.output_text.delta":
                text += event.delta
    return text


def report() -> None:
    write(research(plan("Why did the price of tomatoes double?")))


def brief() -> None:
    research("What do the three largest importers say?")


def review() -> None:
    """An agent that is never content: it goes on until somebody stops it."""
    with agent("reviewer"), openai.OpenAI() as client:
        text = "Tomatoes cost twice as much."
        for _ in range(REVIEWS):
            answer = client.chat.completions.create(
                model="gpt-4.1",
                messages=[{"role": "user", "content": f"Review and improve this article: {text}"}],
                max_completion_tokens=MAX_TOKENS,
            )
            text = answer.choices[0].message.content or ""


async def classify(tickets: list[str]) -> None:
    async with openai.AsyncOpenAI() as client:
        await asyncio.gather(
            *(
                client.chat.completions.create(
                    model="acme-support-7b", messages=[{"role": "user", "content": ticket}], max_tokens=MAX_TOKENS
                )
                for ticket in tickets
            ),
            return_exceptions=True,
        )


def triage() -> None:
    with agent("triage"):
        asyncio.run(classify(["Classify this ticket: my tomatoes are blue."] * 3))
    with agent("clerk"), openai.OpenAI() as client:
        answer = client.chat.completions.create(
            model="gpt-4.1-mini",
            messages=[{"role": "user", "content": "Draft a reply to the customer with the blue tomatoes."}],
            max_completion_tokens=MAX_TOKENS,
            stream=True,
        )
        for _ in answer:
            pass


def apologise() -> None:
    request = "Write a letter of apology, with a voucher."
    with agent("clerk"):
        try:
            with openai.OpenAI(max_retries=0) as client:
                client.responses.create(model="gpt-4.1", input=request, max_output_tokens=MAX_TOKENS)
        except openai.APIError:
            with anthropic.Anthropic() as claude:
                claude.messages.create(
                    model="claude-haiku-4-5",
                    max_tokens=MAX_TOKENS,
                    messages=[{"role": "user", "content": request}],
                )


@dataclass(frozen=True)
class Session:
    team: str
    name: str
    providers: tuple[str, ...]
    work: Callable[[], None]


SESSIONS = (
    Session("newsroom", "tomato-report", ("OPENAI", "ANTHROPIC"), report),
    Session("newsroom", "tomato-brief", ("ANTHROPIC",), brief),
    Session("newsroom", "endless-review", ("OPENAI",), review),
    Session("support", "blue-tomatoes", ("OPENAI",), triage),
    Session("support", "apology", ("OPENAI", "ANTHROPIC"), apologise),
)


def run(session: Session) -> None:
    try:
        with (
            otel_cost.labels(team=session.team, session=session.name),
            tracer.start_as_current_span(f"session {session.name}"),
        ):
            session.work()
    except otel_cost.BudgetExceeded as error:
        print(f"{session.name}: stopped. {error}", flush=True)
    except (openai.APIError, anthropic.APIError) as error:
        print(f"{session.name}: failed. {error}", flush=True)
    else:
        print(f"{session.name}: done", flush=True)


def main() -> None:
    for session in SESSIONS:
        if all(f"{provider}_API_KEY" in os.environ for provider in session.providers):
            run(session)


if __name__ == "__main__":
    main()
