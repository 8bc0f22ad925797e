"""Budgets around a request: which requests are guarded, by whose labels, and the answer when nothing is left."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypedDict

from otel_cost import runtime
from otel_cost.errors import BudgetExceeded
from otel_cost.guarding import Amount, guard, nano_of
from otel_cost.model import NANO

PROBLEM_TYPE: Final = "urn:otel-cost:budget-exceeded"
_STATUS: Final = HTTPStatus.TOO_MANY_REQUESTS
_NEVER_SPENDS: Final = "OPTIONS"
"""A browser's question whether it may ask; what it would ask comes as a request of its own."""
_MAX_PATH: Final = 2048


class Incoming(NamedTuple):
    """A request, as ``scope`` gets it.

    Attributes:
        method: ``GET``; ``WEBSOCKET`` for the beginning of one.
        path: Decoded, without the query.
        headers: By lower-case name.
        address: The peer's.
        raw: The ASGI scope, or the WSGI environ: what other middleware has put into it.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    address: str
    raw: Mapping[str, Any]


class Answer(NamedTuple):
    """What to answer where a budget says no. Header names are in lower case."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


Labels = Mapping[str, str | int | None]


class Options(TypedDict, total=False):
    """What both middlewares take; see :class:`otel_cost.middleware.AsgiMiddleware`."""

    include: Sequence[str]
    exclude: Sequence[str]
    scope: Callable[[Incoming], Labels] | None
    estimated_usd: Amount | None
    answer_escaped: bool
    figures: bool


class Limiting:
    """What a middleware does about budgets. The arguments are those of :class:`otel_cost.middleware.AsgiMiddleware`.

    Raises:
        TypeError, ValueError: patterns are no list, the estimate is no amount.
    """

    def __init__(
        self,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        scope: Callable[[Incoming], Labels] | None = None,
        estimated_usd: Amount | None = None,
        answer_escaped: bool = True,
        figures: bool = True,
    ) -> None:
        for patterns in (include, exclude):
            if isinstance(patterns, str):
                raise TypeError(f"include and exclude take a list of patterns, not the text {patterns!r}")
        nano_of(estimated_usd)
        self._include = tuple(map(_bare, include))
        self._exclude = tuple(map(_bare, exclude))
        self._scope = scope
        self._estimated_usd = estimated_usd
        self._figures = figures
        self.answer_escaped = answer_escaped

    def guard(self, request: Incoming) -> guard | None:
        """What is to be entered around a request; None where it is not guarded."""
        if request.method == _NEVER_SPENDS or not self._guards(_bare(request.path)):
            return None
        return guard.of({} if self._scope is None else self._scope(request), self._estimated_usd)

    def _guards(self, path: str) -> bool:
        included = not self._include or any(fnmatchcase(path, pattern) for pattern in self._include)
        return included and not any(fnmatchcase(path, pattern) for pattern in self._exclude)

    def refusal(self, error: BudgetExceeded, request: Incoming) -> Answer:
        """The answer to a request that may not begin: what the error tells is about its own labels."""
        return self._answer(error, request, figures=self._figures)

    def escaped(self, error: BudgetExceeded, request: Incoming) -> Answer:
        """The answer to a request whose app let the error of a call escape. Inside the request's block: a call may have
        been made in somebody else's name, and whose is not the business of who asked."""
        installed = runtime.current()
        facts = installed.facts() if installed is not None else {}
        own = all(facts.get(label, "") == value for label, value in error.scope.items())
        return self._answer(error, request, figures=self._figures and own)

    def _answer(self, error: BudgetExceeded, request: Incoming, *, figures: bool) -> Answer:
        answer = answer_to(error, instance=request.path, figures=figures)
        return answer._replace(body=b"") if request.method == "HEAD" else answer


def answer_to(error: BudgetExceeded, *, instance: str = "", figures: bool = True) -> Answer:
    """HTTP 429 for a budget's no, with problem details (RFC 9457) as its body. For error handlers of frameworks.

    Args:
        instance: The request's path.
        figures: Whether the answer tells the budget's name, whose it is, its limit and what is spent. Without, it says
            only that there is a budget, and when to ask again.
    """
    problem: dict[str, Any] = {
        "type": PROBLEM_TYPE,
        "title": "Budget exceeded",
        "status": _STATUS.value,
        "detail": str(error) if figures else "A budget does not allow this request.",
    }
    if instance:
        problem["instance"] = instance[:_MAX_PATH]
    if figures:
        problem["budget"] = error.budget
        problem["scope"] = error.scope
        problem["limit_usd"] = _usd(error.limit_nano)
        problem["spent_usd"] = _usd(error.spent_nano)
    headers = [("content-type", "application/problem+json"), ("cache-control", "no-store")]
    if error.retry_after_s is not None:
        problem["retry_after_s"] = max(1, math.ceil(error.retry_after_s))
        headers.append(("retry-after", str(problem["retry_after_s"])))
    body = json.dumps(problem).encode()
    headers.append(("content-length", str(len(body))))
    return Answer(_STATUS.value, _STATUS.phrase, tuple(headers), body)


def _bare(path: str) -> str:
    return path.rstrip("/") or "/"


def _usd(nano: int) -> float:
    """A JSON number, exact to the nano-USD up to some millions."""
    return float(Decimal(nano) / NANO)
