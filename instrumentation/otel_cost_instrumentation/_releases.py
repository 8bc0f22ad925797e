"""Which releases of an SDK are read, and what happens with older ones: they are left alone, with one line in the log.

Only for SDKs whose older releases look alike in part, so that some of their calls would be seen and others missed in
silence. Where a method that is wrapped is not there, that is said without this.
"""

from __future__ import annotations

import importlib.metadata
import logging
import re
from functools import cached_property
from types import ModuleType
from typing import NamedTuple

from otel_cost import semconv, shield

_log = logging.getLogger(semconv.LOGGER)


class Since(NamedTuple):
    """The oldest release that is read. ``module``: what is imported whenever the SDK is."""

    package: str
    version: str
    module: str


class Gate:
    """Whether a provider's wrappers are put on; looks once, when the SDK is imported. Also a post-import hook."""

    def __init__(self, since: Since | None) -> None:
        self._since = since

    def __call__(self, module: ModuleType) -> None:
        shield.run("release of an SDK", None, lambda: self.is_open)

    @cached_property
    def is_open(self) -> bool:
        if self._since is None:
            return True
        package, oldest, _ = self._since
        try:
            installed = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return True  # without its metadata, in an app that is one file
        if _numbers(installed) >= _numbers(oldest):
            return True
        _log.warning("%s %s is older than %s: its calls are not seen", package, installed, oldest)
        return False


def _numbers(version: str) -> tuple[int, ...]:
    """What a release is ordered by, without marks of a pre-release."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
