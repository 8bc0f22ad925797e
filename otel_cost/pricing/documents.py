"""Price files as plain data: YAML or JSON, with every number as an ``int`` or a ``Decimal``, never a float."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_cost.errors import ConfigError

if TYPE_CHECKING:
    import yaml

_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9_]*)")


def read_document(path: Path) -> object:
    """The content of a price file: JSON when it ends in ``.json``, else YAML (UTF-8). None when it is empty.

    Raises:
        ConfigError: the file cannot be read, is not well-formed, or names a key twice. The text names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a byte order mark first
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    try:
        return _json(path, text) if path.suffix.lower() == ".json" else _yaml(path, text)
    except RecursionError as error:
        raise ConfigError(f"{path}: is nested too deeply") from error


def _json(path: Path, text: str) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        data = dict(pairs)
        if len(data) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise ConfigError(f"{path}: key {twice!r} is there twice")
        return data

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

    checked: set[yaml.Node] = set()

    def whole(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
        # YAML 1.1 knows other bases too: 1:30 is 90, and 010 is 8. They stay text likewise.
        written = loader.construct_scalar(node)
        return int(written.replace("_", "")) if _INT.fullmatch(written) else written

    def moment(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
        try:
            return loader.construct_yaml_timestamp(node)
        except (ValueError, OverflowError):
            return loader.construct_scalar(node)  # the reader of the entry says which one it is

    def number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
        # What is no decimal number (.inf, 1:30) stays text, and is refused where a number is expected.
        written = loader.construct_scalar(node)
        plain = written.replace("_", "")
        return Decimal(plain) if plain.lstrip("+-")[:1].isdigit() and ":" not in plain else written

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> Mapping[Hashable, object]:
        if node not in checked:  # what was merged into another one has repeats by that
            _refuse_repeats(path, node, checked)
        loader.flatten_mapping(node)
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor("tag:yaml.org,2002:int", whole)
    Loader.add_constructor("tag:yaml.org,2002:float", number)
    Loader.add_constructor("tag:yaml.org,2002:timestamp", moment)
    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        data: object = yaml.load(text, Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{path}{line}: is not YAML: {getattr(error, 'problem', None) or error}") from error
    except ValueError as error:
        # PyYAML lets those of Python's own constructors pass, of a number with too many digits for instance.
        raise ConfigError(f"{path}: {error}") from error
    return data


def _refuse_repeats(path: Path, node: yaml.MappingNode, checked: set[yaml.Node]) -> None:
    """Refuse keys that ``node``, or a mapping that is merged into it, has twice; add all of those to ``checked``."""
    checked.add(node)
    seen: set[object] = set()
    for key_node, value_node in node.value:
        if getattr(key_node, "value", None) == "<<":
            for merged in value_node.value if value_node.id == "sequence" else (value_node,):
                if merged.id == "mapping" and merged not in checked:
                    _refuse_repeats(path, merged, checked)
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
