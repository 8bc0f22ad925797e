"""How commands print: tables that fit a pipe, texts from outside that cannot do harm, and how far they are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from otel_cost.model import NANO

PIPED_WIDTH: Final = 200
"""Columns of a table that goes into a file or a pipe, which have no width of their own."""


def console() -> Console:
    """A console that reads no markup: what names say comes from outside."""
    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def table(*titles: str, whole: Collection[str] = (), footer: bool = False) -> Table:
    """A table that leaves nothing out on a narrow terminal: what does not fit goes on in the next line, and columns in
    ``whole`` (amounts, times) are never parted."""
    made = Table(show_footer=footer)
    for title in titles:
        made.add_column(title, overflow="fold", no_wrap=title in whole)
    return made


def printable(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text) or "-"


def usd(nano: int) -> str:
    """All places that are not zero, two at least."""
    whole, _, places = f"{Decimal(nano) / NANO:,.9f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2}"


@contextmanager
def progress(doing: str, total: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal; told how much was done. ``total`` is asked only if it is shown."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total())
        yield lambda done: bar.advance(task, done)
