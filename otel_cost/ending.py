"""What has to happen at the end of the process, however it ends: by itself, or by SIGTERM where the app handles none.

Some servers (uvicorn) end themselves by that signal once they have shut down, and then nothing runs that ``atexit``
knows of. A handler is set only where there is none; what it does last is what would have happened without it. Python
runs it as soon as its main thread runs Python again.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable
from typing import Final
from weakref import WeakMethod

_methods: Final[list[WeakMethod[Callable[[], object]]]] = []


def at_end(method: Callable[[], object]) -> None:
    """Call a bound ``method`` at the end of this process and of its forked children, as long as its object lives. It
    may be called twice. Those that came last are called first."""
    if not _methods:
        atexit.register(_run_all)
    _methods.append(WeakMethod(method))
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def _run_all() -> None:
    for reference in reversed(list(_methods)):
        live = reference()
        if live is not None:
            live()


def _on_sigterm(_number: int, _frame: object) -> None:
    try:
        _run_all()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
