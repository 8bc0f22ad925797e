"""What has to happen in a child after a fork."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from weakref import WeakMethod


def after_fork_in_child(method: Callable[[], None]) -> None:
    """Call a bound ``method`` in every forked child, as long as its object lives.

    Locks that another thread held at the fork stay held in the child for ever, and what a parent was about to settle is
    the parent's. Hooks cannot be unregistered, so the object is held weakly. Does nothing where there is no fork.
    """
    reference = WeakMethod(method)

    def run() -> None:
        live = reference()
        if live is not None:
            live()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=run)


def around_fork(before: Callable[[], None], after_in_parent: Callable[[], None]) -> None:
    """Call bound methods in the parent before and after every fork, as long as their object lives."""
    reference_before, reference_after = WeakMethod(before), WeakMethod(after_in_parent)

    def run(reference: WeakMethod[Callable[[], None]]) -> None:
        live = reference()
        if live is not None:
            live()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lambda: run(reference_before), after_in_parent=lambda: run(reference_after))


def at_end_of_child(method: Callable[[], None]) -> None:
    """Call a bound ``method`` at the end of every child that multiprocessing starts, as long as its object lives.

    A child that it has forked ends without what ``atexit`` knows of. It forgets its own list of what to do at the end
    as a child begins, and then asks for it anew.
    """
    reference = WeakMethod(method)

    def run() -> None:
        live = reference()
        if live is not None:
            live()

    def finally_run(_: object) -> None:
        sys.modules["multiprocessing.util"].Finalize(None, run, exitpriority=10)

    def when_it_begins() -> None:
        util, live = sys.modules.get("multiprocessing.util"), reference()
        if util is not None and live is not None:
            util.register_after_fork(getattr(live, "__self__"), finally_run)  # noqa: B009 - a method has it

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=when_it_begins)
    when_it_begins()  # a child imports its main module, and may come by here, before it begins
    if "multiprocessing.process" in sys.modules and sys.modules["multiprocessing.process"].parent_process() is not None:
        finally_run(None)
