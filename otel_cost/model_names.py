"""Which model names mean one model. Pure."""

from __future__ import annotations

import re
from typing import Final


def models_agree(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Whether two spans can mean one model: a dated name agrees with its alias; a missing name agrees with all."""
    if not a or not b:
        return True
    return any(_same_model(left, right) for left in a for right in b)


def _same_model(left: str, right: str) -> bool:
    left, right = _bare(left), _bare(right)
    if len(left) > len(right):
        left, right = right, left
    return right.startswith(left) and _SAME_MODEL_SUFFIX.fullmatch(right, len(left)) is not None


def _bare(model: str) -> str:
    """Without vendor and region in front: ``openai/gpt-4o``, ``us.anthropic.claude-...``."""
    return _VENDORS.sub("", model.lower())


_VENDORS: Final = re.compile(r"^(?:[a-z0-9_-]+/)*(?:[a-z]+\.)*")
_SAME_MODEL_SUFFIX: Final = re.compile(r"(?:[-@:](?:\d{3,}[\d.:-]*|v\d[\d.:]*|latest|preview|exp)(?:[-:][\w.:-]*)?)?")
"""What may follow a model's name without making it another model: a date, a version, ``latest``; not ``-mini``."""
