"""Price files as plain data: YAML or JSON, with every number as an ``int`` or a ``Decimal``, never a float."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from otel_cost.errors import ConfigError

if TYPE_CHECKING:
    import yaml


def read_document(path: Path) -> object:
    """The content of a price file: JSON when it ends in ``.json``, else YAML (UTF-8). None when it is empty.

    Raises:
        ConfigError: the file cannot be read, is not well-formed, or names a key twice. The text names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    return _json(path, text) if path.suffix.lower() == ".json" else _yaml(path, text)


def _json(path: Path, text: str) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        keys = [key for key, _ in pairs]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ConfigError(f"{path}: key {twice!r} is there twice")
        return dict(pairs)

    def refuse(constant: str) -> object:
        raise ConfigError(f"{path}: {constant} is not a number")

    try:
        data: object = json.loads(text, parse_float=Decimal, parse_constant=refuse, object_pairs_hook=unique)
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON: {error}") from error
    return data


def _yaml(path: Path, text: str) -> object:
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
        # What is no decimal number (.inf, 1:30) stays text, and is refused where a number is expected.
        written = loader.construct_scalar(node)
        plain = written.replace("_", "")
        return Decimal(plain) if plain.lstrip("+-")[:1].isdigit() and ":" not in plain else written

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> Mapping[Hashable, object]:
        _refuse_repeats(path, loader, node)
        loader.flatten_mapping(node)
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor("tag:yaml.org,2002:float", number)
    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        data: object = yaml.load(text, Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{path}{line}: is not YAML: {getattr(error, 'problem', None) or error}") from error
    except ValueError as error:
        # PyYAML lets errors of impossible dates such as 2026-02-30 pass.
        raise ConfigError(f"{path}: {error}") from error
    return data


def _refuse_repeats(path: Path, loader: yaml.SafeLoader, node: yaml.MappingNode) -> None:
    seen: set[object] = set()
    for key_node, _ in node.value:
        key = getattr(key_node, "value", None)
        if isinstance(key, str):
            if key in seen and key != "<<":
                raise ConfigError(f"{path}, line {key_node.start_mark.line + 1}: key {key!r} is there twice")
            seen.add(key)


def as_mapping(value: object) -> Mapping[str, object] | None:
    """``value`` if it is a mapping with text keys, else None."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    return None


def as_sequence(value: object) -> Sequence[object] | None:
    """``value`` if it is a list, else None; text is none."""
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else None
