"""How commands print: tables that fit a pipe, and texts from outside that cannot do harm."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Final

from rich.console import Console

from otel_cost.model import NANO

PIPED_WIDTH: Final = 200
"""Columns of a table that goes into a file or a pipe, which have no width of their own."""


def console() -> Console:
    """A console that reads no markup: what names say comes from outside."""
    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def printable(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text) or "-"


def usd(nano: int) -> str:
    """All places that are not zero, two at least."""
    whole, _, places = f"{Decimal(nano) / NANO:,.9f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2}"
