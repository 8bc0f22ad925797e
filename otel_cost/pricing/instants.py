"""Points in time as the calendar has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(2, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9998, 12, 31, tzinfo=UTC)
_FIRST_US, _LAST_US = ((at - _EPOCH) // timedelta(microseconds=1) for at in (_FIRST, _LAST))


def moment(at_ns: int) -> datetime:
    """``at_ns`` (UTC ns since the epoch) to the microsecond, rounded down.

    Times outside the calendar become its first or last ones, a year from its ends: room for time zones and periods.
    """
    return _EPOCH + timedelta(microseconds=min(max(at_ns // 1000, _FIRST_US), _LAST_US))
