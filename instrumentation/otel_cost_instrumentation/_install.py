"""Finding provider modules and putting their wrappers around the SDKs, as these are imported; and taking them off.

An app that never imports an SDK pays nothing for its module: the wrapping waits in a post-import hook.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import logging
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

import wrapt

from otel_cost import runtime as runtimes
from otel_cost import semconv, shield
from otel_cost.version import VERSION
from otel_cost_instrumentation import _base
from otel_cost_instrumentation._abandoned import Reaper
from otel_cost_instrumentation._base import Inside, Method, Provider, Scope, Wrapper
from otel_cost_instrumentation._releases import Gate

ENTRY_POINTS: Final = "otel_cost_provider"
"""Entry point group of other people's provider modules."""
_NO_PROVIDERS: Final = frozenset({"entry"})
_PACKAGE: Final = __package__ or ""
_log = logging.getLogger(semconv.LOGGER)


def providers() -> Iterator[Provider]:
    """The ``PROVIDER`` of every provider module in this package and of every entry point. One that cannot be loaded is
    logged and left out."""
    package = importlib.import_module(_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_") and module.name not in _NO_PROVIDERS:
            found = shield.run(f"provider {module.name}", None, _load, f"{_PACKAGE}.{module.name}")
            if found is not None:
                yield found
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        found = shield.run(f"provider {entry.name}", None, _load, entry.module)
        if found is not None:
            yield found


def _load(module: str) -> Provider:
    provider = importlib.import_module(module).PROVIDER
    if not isinstance(provider, Provider):
        raise TypeError(f"{module}.PROVIDER is a {type(provider).__name__}, not a Provider")
    return provider


class Installation:
    """The wrappers of one activation."""

    def __init__(self) -> None:
        self._active = True
        self._reaper = Reaper()
        self._wrapped: list[tuple[type | ModuleType, str, object, object]] = []

    def add(self, provider: Provider) -> None:
        """Wrap the provider's methods: at once where their module is loaded, otherwise when it will be."""
        scope = Scope(provider, VERSION, self._reaper)
        gate = Gate(provider.since)
        for method in provider.methods:
            wrapt.register_post_import_hook(_Hook(self, method, scope, gate), method.module)
        if provider.since is not None:  # of an old release, none of those modules may be there
            wrapt.register_post_import_hook(gate, provider.since.module)

    def remove(self) -> None:
        """Unwrap everything that nobody has wrapped since, and settle streams that are still open."""
        self._active = False
        for owner, name, wrapper, original in reversed(self._wrapped):
            if vars(owner).get(name) is wrapper:
                setattr(owner, name, original)
        self._wrapped.clear()
        self._reaper.stop()

    def wrap(self, module: ModuleType, method: Method, scope: Scope) -> None:
        """Put the wrappers of ``method`` into ``module``, or none of them where it does not look as expected."""
        if not self._active:
            return
        class_name, _, function = method.name.rpartition(".")
        owner = getattr(module, class_name, None) if class_name else module
        if not isinstance(owner, type | ModuleType) or not callable(vars(owner).get(function)):
            if not method.later:
                _log.warning("%s.%s is not there: calls through it are not seen", method.module, method.name)
            return
        inside = method.inside if method.inside is not None and _has(owner, method.inside) else None
        if inside is None and method.inside is not None:
            # Its span and ours will be two for one call; matching still counts it once.
            _log.info("%s.%s has changed inside: its own span is left alone", method.module, class_name)
        for name, wrapper in _wrappers(method, function, inside, scope):
            original = vars(owner).get(name)
            if original is None:
                continue
            around = _around(original, wrapper, method)
            setattr(owner, name, around)
            self._wrapped.append((owner, name, around, original))
        runtime = runtimes.current()
        if runtime is not None:
            runtime.prices_needed()


class _Hook:
    """Called by wrapt with the module that was imported."""

    def __init__(self, installation: Installation, method: Method, scope: Scope, gate: Gate) -> None:
        self._installation = installation
        self._method = method
        self._scope = scope
        self._gate = gate

    def __call__(self, module: ModuleType) -> None:
        shield.run(f"wrap {self._method.name}", None, self._wrap, module)

    def _wrap(self, module: ModuleType) -> None:
        if self._gate.is_open:
            self._installation.wrap(module, self._method, self._scope)


def _around(original: Any, wrapper: Wrapper, method: Method) -> object:
    around = wrapt.FunctionWrapper(original, wrapper)
    if method.mine is None:
        return around
    return (_async_sieve if method.asynchronous else _sieve)(original, around, method.mine)


def _sieve(original: Any, around: Any, mine: Callable[[object], bool]) -> object:
    """A plain function, which costs a fraction of a wrapper that does nothing."""

    @functools.wraps(original)
    def call(self: object, *args: object, **kwargs: object) -> object:
        return (around if mine(self) else original).__get__(self)(*args, **kwargs)

    return call


def _async_sieve(original: Any, around: Any, mine: Callable[[object], bool]) -> object:
    @functools.wraps(original)
    async def call(self: object, *args: object, **kwargs: object) -> object:
        return await (around if mine(self) else original).__get__(self)(*args, **kwargs)

    return call


def _has(owner: type | ModuleType, inside: Inside) -> bool:
    return all(callable(vars(owner).get(name)) for name in (inside.send, inside.answer))


def _wrappers(method: Method, function: str, inside: Inside | None, scope: Scope) -> Iterator[tuple[str, Wrapper]]:
    kind = _base.ASYNC if method.asynchronous else _base.SYNC
    yield function, kind.around(method, inside, scope)
    if method.responds:
        yield method.responds, _base.response_wrapper
    if inside is not None:
        yield inside.send, kind.send
        yield inside.answer, kind.answer
