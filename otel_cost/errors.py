"""Every exception that otel-cost raises on purpose.

::

    OtelCostError
    ├── ConfigError        a setting, a file or an overlay is wrong
    ├── PricesUnavailable  fresh price data could not be fetched or read; the old stays in use
    ├── InvalidUsage       counts that contradict each other, or are no counts
    ├── BudgetExceeded     a blocking budget said no, before the call was made
    ├── BudgetError        what was asked of a budget cannot be done: no such budget, a scope that does not fit
    ├── BudgetStoreError   the store of budgets cannot do what it was asked
    │   ├── BudgetStoreUnavailable   it cannot be reached, does not answer in time, or cannot write
    │   └── BudgetStoreBusy          it is there, but others kept it busy for too long
    ├── LedgerError        the book cannot be read or written
    │   ├── LedgerRefused            it cannot hold what was to be written
    │   └── ArchivedError            what was asked needs calls one by one that were archived
    └── ApiError           otel_cost.client: the server did not do what it was asked
        ├── ApiUnavailable   it cannot be reached, does not answer in time, or cannot just now
        ├── ApiDenied        it wants a key, or one of another role
        ├── ApiNotFound      there is no such thing, or the key may not see it
        └── ApiInvalid       what was asked is wrong; ``field`` says which part
"""

from __future__ import annotations

from typing import Any


class OtelCostError(Exception):
    """The root of the tree: catch it to catch all of otel-cost's own errors."""


class ConfigError(OtelCostError):
    """A setting is wrong. The text names the place (file and line, or variable), the key, and what is allowed."""


class PricesUnavailable(OtelCostError):
    """Fresh price data could not be fetched, or a file of it cannot be read. The text says which and why."""


class InvalidUsage(OtelCostError):
    """Token or unit counts that cannot be true. The text names the figures; it never carries prompt content."""


class BudgetExceeded(OtelCostError):
    """A blocking budget does not allow a call; it was not sent to the provider.

    Attributes:
        budget: Name of the budget that said no.
        scope: The label values that the budget row stands for, for instance ``{"team": "search"}``.
        limit_nano: The limit, in nano-USD.
        spent_nano: What was spent when the decision was made, in nano-USD.
        retry_after_s: Seconds until the period ends, or until it is worth asking again; None when waiting does not
        help.
        reserved_nano: What was reserved for calls under way, in nano-USD.
        needed_nano: What the call was taken to need, in nano-USD.
    """

    def __init__(
        self,
        message: str,
        *,
        budget: str,
        scope: dict[str, str],
        limit_nano: int,
        spent_nano: int,
        retry_after_s: float | None,
        reserved_nano: int = 0,
        needed_nano: int = 0,
    ) -> None:
        super().__init__(message)
        self.budget = budget
        self.scope = scope
        self.limit_nano = limit_nano
        self.spent_nano = spent_nano
        self.retry_after_s = retry_after_s
        self.reserved_nano = reserved_nano
        self.needed_nano = needed_nano

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments would get lost when the error crosses a process pool.
        return (_rebuild_budget_exceeded, (str(self), dict(vars(self))))


def _rebuild_budget_exceeded(message: str, told: dict[str, Any]) -> BudgetExceeded:
    return BudgetExceeded(message, **told)


class BudgetError(OtelCostError):
    """What was asked of a budget cannot be done. The text says why, and what there is."""


class BudgetStoreError(OtelCostError):
    """The store of budgets cannot do what it was asked. The text says which store and why; never a password."""


class BudgetStoreUnavailable(BudgetStoreError):
    """The store cannot be reached, does not answer in time, or cannot write (a full disk)."""


class BudgetStoreBusy(BudgetStoreError):
    """The store is there and works, but others kept it busy for longer than a call should wait."""


class LedgerError(OtelCostError):
    """The ledger cannot be opened, read or written. The driver's own error is the cause (``__cause__``)."""


class LedgerRefused(LedgerError):
    """The ledger works, but cannot hold this: a sum would be beyond 64 bits. To try again cannot help."""


class ArchivedError(LedgerError):
    """The calls of that time were archived: their sums are in the book, they themselves are not. The text says since
    when calls are there."""


class ApiError(OtelCostError):
    """A server did not do what :mod:`otel_cost.client` asked of it.

    Attributes:
        status: The HTTP status; 0 where there was no answer.
        detail: What the server said.
        field: The parameter, or the field of the body, that is wrong; None where none was named.
        retry_after_s: Seconds until it is worth asking again, where the server said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        detail: str = "",
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail
        self.field = field
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_api_error, (type(self), str(self), dict(vars(self))))


def _rebuild_api_error(kind: type[ApiError], message: str, told: dict[str, Any]) -> ApiError:
    return kind(message, **told)


class ApiUnavailable(ApiError):
    """The server cannot be reached, does not answer in time, or cannot answer just now (429, 502, 503)."""


class ApiDenied(ApiError):
    """The server wants a key (401), or one of another role (403)."""


class ApiNotFound(ApiError):
    """There is no such thing, or the key may not see it (404)."""


class ApiInvalid(ApiError):
    """What was asked is wrong (400, 409, 413, 422): ``field`` says which part of it, ``detail`` why."""
