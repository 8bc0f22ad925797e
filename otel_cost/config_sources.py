"""Reads the config file and the environment into a ``Config``, and says where a wrong setting stands."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import ENV_LIMITS, ENV_OF_LIMITS, ENV_PREFIX, ENV_SHORT, Config
from otel_cost.errors import ConfigError

KeyPath = tuple[str | int, ...]
_ADAPTER: Final = TypeAdapter(Config)
_BUDGET: Final = TypeAdapter(BudgetSettings)
_HINTS: Final[dict[str, str]] = {"extra_forbidden": "unknown key", "unexpected_keyword_argument": "unknown key"}
_NO_NUMBER: Final[dict[str, str]] = dict.fromkeys(
    ("decimal_parsing", "decimal_type"), "write a number of USD, for instance 0.25"
)


class _Loader(yaml.SafeLoader):
    """YAML's safe subset, with dates left as the text that they are: settings have no date type of their own."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Places:
    """Where each setting came from, as text for an error message."""

    def __init__(self) -> None:
        self._places: dict[KeyPath, str] = {}

    def put(self, path: KeyPath, place: str) -> None:
        self._places[path] = place

    def of(self, path: KeyPath) -> str:
        """The place of ``path``, or of the nearest setting around it, or of those inside it."""
        for length in range(len(path), 0, -1):
            place = self._places.get(path[:length])
            if place is not None:
                return place
        inside = [place for other, place in self._places.items() if path and other[: len(path)] == path]
        return ", ".join(inside) or self._places.get((), "settings")

    def knows(self, path: KeyPath) -> bool:
        return path in self._places


def read(path: Path | None, variables: Mapping[str, str], arguments: Mapping[str, object]) -> Config:
    """Merge the three sources and validate. Raises ConfigError as ``load_config`` says."""
    places = Places()
    merged: dict[str, object] = {}
    if path is not None:
        merged = _read_file(path, places)
        _anchor_price_files(merged, path)
    for name in sorted(variables):
        if name not in ENV_LIMITS and name not in ENV_OF_LIMITS:
            _put_variable(merged, name, variables[name], places)
    _merge(merged, arguments, (), places)
    _add_limits(merged, variables, places)
    try:
        return _ADAPTER.validate_python(merged)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(detail, places, merged) for detail in _distinct(error))) from None


# --- file -------------------------------------------------------------------------------------------------------------


def _read_file(path: Path, places: Places) -> dict[str, object]:
    places.put((), str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read the config file: {error}") from error
    try:
        node = yaml.compose(text, Loader=_Loader)
        data: object = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if node is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}:1: the file must be a mapping of settings, for instance 'budgets: [...]'")
    try:
        _note_lines(node, (), path, places)
    except RecursionError as error:
        raise ConfigError(f"{path}: a setting contains itself (an anchor within its own value)") from error
    return {str(key): value for key, value in data.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _note_lines(node: yaml.Node, at: KeyPath, path: Path, places: Places) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            if places.knows(here):
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: the key {key.value!r} stands here twice")
            places.put(here, f"{path}:{key.start_mark.line + 1}")
            _note_lines(value, here, path, places)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            places.put((*at, index), f"{path}:{item.start_mark.line + 1}")
            _note_lines(item, (*at, index), path, places)


def _anchor_price_files(data: Mapping[str, object], path: Path) -> None:
    prices = data.get("prices")
    if isinstance(prices, dict) and isinstance(prices.get("snapshot"), str):  # pyright: ignore[reportUnknownMemberType]
        prices["snapshot"] = str(path.parent / prices["snapshot"])
    if isinstance(prices, dict) and isinstance(prices.get("files"), list):  # pyright: ignore[reportUnknownMemberType]
        prices["files"] = [str(path.parent / str(name)) for name in prices["files"]]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


# --- environment ------------------------------------------------------------------------------------------------------


def setting_paths(cls: type = Config, at: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Environment variable to the path of its setting, for every setting."""
    found: dict[str, tuple[str, ...]] = {}
    hints = get_type_hints(cls)
    for item in dataclasses.fields(cls):
        path = (*at, item.name)
        if dataclasses.is_dataclass(hints[item.name]):
            found.update(setting_paths(hints[item.name], path))
        else:
            found[ENV_PREFIX + "_".join(path).upper()] = path
    return found


def _put_variable(merged: dict[str, object], name: str, text: str, places: Places) -> None:
    paths = {**setting_paths(), **ENV_SHORT}
    path = paths.get(name)
    if path is None:
        known = [*paths, *ENV_LIMITS, *ENV_OF_LIMITS]
        close = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"environment variable {name}: no such setting"
            + (f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}")
        )
    places.put(path, f"environment variable {name}")
    _put(merged, path, _parse_variable(name, text, _type_at(path)))


def _add_limits(merged: dict[str, object], variables: Mapping[str, str], places: Places) -> None:
    """The budgets that variables make, beside those of the settings."""
    budgets = merged.get("budgets", ())
    made = [name for name in ENV_LIMITS if name in variables]
    if not made or not isinstance(budgets, list | tuple):
        return
    all_of_them: list[object] = list(budgets)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    taken = {_name_of(budget) for budget in all_of_them}
    for variable in made:
        name, period = ENV_LIMITS[variable]
        if name in taken:
            raise ConfigError(f"environment variable {variable}: the settings have a budget {name!r} already")
        at: KeyPath = ("budgets", len(all_of_them))
        places.put(at, f"environment variable {variable}")
        budget: dict[str, object] = {"name": name, "amount_usd": variables[variable], "period": period}
        for source, key in ENV_OF_LIMITS.items():
            if source in variables:
                places.put((*at, key), f"environment variable {source}")
                kind = get_type_hints(BudgetSettings)[key]
                budget[key] = _checked_alone(source, key, _parse_variable(source, variables[source], kind))
        all_of_them.append(budget)
    merged["budgets"] = all_of_them


def _checked_alone(variable: str, key: str, value: object) -> object:
    """What is wrong with it is this variable's fault, not the fault of the one with the amount."""
    try:
        _BUDGET.validate_python({"name": "any", "amount_usd": 0, key: value})
    except ValidationError as error:
        detail = _distinct(error)[0]
        raise ConfigError(f"environment variable {variable}: {detail['msg'].removeprefix('Value error, ')}") from None
    return value


def _name_of(budget: object) -> object:
    return budget.get("name") if isinstance(budget, dict) else getattr(budget, "name", None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _type_at(path: Sequence[str]) -> object:
    current: object = Config
    for key in path:
        current = get_type_hints(current)[key]
    return current


def _parse_variable(name: str, text: str, kind: object) -> object:
    origin = get_origin(kind)
    if origin is None or (origin is not tuple and not issubclass(_as_class(origin), Mapping)):
        return text
    is_list = origin is tuple
    simple = (is_list and get_args(kind)[0] in (str, Path)) or get_origin(get_args(kind)[0]) is not None
    if simple and is_list and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"environment variable {name}: not valid YAML: {error}") from error


def _as_class(origin: object) -> type:
    return origin if isinstance(origin, type) else object


def _put(merged: dict[str, object], path: Sequence[str], value: object) -> None:
    target = merged
    for key in path[:-1]:
        inner = target.get(key)
        if not isinstance(inner, dict):
            inner = target[key] = {}
        target = inner  # pyright: ignore[reportUnknownVariableType]
    target[path[-1]] = value


def _merge(merged: dict[str, object], arguments: Mapping[str, object], at: tuple[str, ...], places: Places) -> None:
    for key, value in arguments.items():
        if isinstance(value, Mapping):
            _merge(merged, value, (*at, key), places)  # pyright: ignore[reportUnknownArgumentType]
        else:
            places.put((*at, key), f"argument {'.'.join((*at, key))}")
            _put(merged, (*at, key), value)


# --- errors -----------------------------------------------------------------------------------------------------------


def _distinct(error: ValidationError) -> list[ErrorDetails]:
    """One error a setting: a union reports one for each of its members."""
    first: dict[KeyPath, ErrorDetails] = {}
    for detail in error.errors(include_url=False):
        first.setdefault(_setting_of(detail), detail)
    return list(first.values())


def _setting_of(detail: ErrorDetails) -> KeyPath:
    """The path of the setting, without the branches of unions that pydantic names in it."""
    parts = [part for part in detail["loc"] if not (isinstance(part, str) and _BRANCH.search(part))]
    return tuple(parts)


_BRANCH: Final = re.compile(r"\[|^(?:function|lax-or|json-or|chain|constrained)-")


def _describe(detail: ErrorDetails, places: Places, merged: Mapping[str, object]) -> str:
    path = _setting_of(detail)
    key = ".".join(str(part) for part in _with_budget(path, merged)) or "settings"
    message = (
        _HINTS.get(detail["type"]) or _NO_NUMBER.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    )
    if detail["type"] in _HINTS:
        allowed = _siblings(path)
        close = difflib.get_close_matches(str(path[-1]), allowed, n=1)
        message += f" (did you mean {close[0]!r}?)" if close else ""
        message += f"; allowed here: {', '.join(allowed)}" if allowed else ""
    return f"{places.of(path)}: {key}: {message}"


def _with_budget(path: KeyPath, merged: Mapping[str, object]) -> KeyPath:
    """The path with the name of a budget in the place of its number."""
    budgets = merged.get("budgets")
    if len(path) < 2 or path[0] != "budgets" or not isinstance(budgets, list | tuple) or not isinstance(path[1], int):
        return path
    name = _name_of(budgets[path[1]])  # pyright: ignore[reportUnknownArgumentType]
    return (*path[:1], repr(name), *path[2:]) if isinstance(name, str) and name else path


def _siblings(path: KeyPath) -> list[str]:
    """The keys that are allowed beside the last one of ``path``."""
    current: object = Config
    for key in path[:-1]:
        if dataclasses.is_dataclass(current):
            current = get_type_hints(current).get(str(key))
        elif get_origin(current) is not None:  # an item of a list, or a value of a mapping
            current = get_args(current)[0] if get_origin(current) is tuple else get_args(current)[-1]
    return [item.name for item in dataclasses.fields(current)] if dataclasses.is_dataclass(current) else []
