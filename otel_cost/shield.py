"""The one guard: the only place with a broad ``except``.

An app must never break because its costs could not be worked out. Code that runs inside the app's own calls (span
callbacks, SDK wrappers) goes through :func:`run`; a fault is logged once per site, counted, and swallowed. Under tests
:func:`set_strict` makes it raise, so that nothing hides there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from otel_cost import semconv

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")

_log = logging.getLogger(semconv.LOGGER)
_faults: dict[str, int] = {}
_strict = False


def run(site: str, default: D, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T | D:
    """Call ``function`` and return its value, or ``default`` if it raised an ``Exception``.

    Any thread. Never logs more than one traceback per ``site``; later faults of that site are only counted.
    """
    try:
        return function(*args, **kwargs)
    except Exception:
        if _strict:
            raise
        count = _faults.get(site, 0)
        _faults[site] = count + 1
        if count == 0:
            _log.exception("otel-cost fault in %s: the app goes on without it (logged once, then only counted)", site)
        return default


def faults() -> dict[str, int]:
    """Faults so far by site, in this process."""
    return dict(_faults)


def _after_fork() -> None:
    """A child has had no faults yet: it would report its parent's again."""
    _faults.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def set_strict(strict: bool) -> None:
    """Raise instead of swallowing. For tests."""
    global _strict
    _strict = strict
