"""Spans of every emitter, written as its source writes them, and what they have to be read as."""

from __future__ import annotations

from tests.unit.core.written.official import OFFICIAL
from tests.unit.core.written.openinference import OPENINFERENCE
from tests.unit.core.written.openlit import OPENLIT
from tests.unit.core.written.openllmetry import LLMETRY
from tests.unit.core.written.others import OTHERS
from tests.unit.core.written.sdks import SDKS
from tests.unit.core.written.vercel import VERCEL

ALL = (*OFFICIAL, *SDKS, *LLMETRY, *OPENINFERENCE, *OPENLIT, *OTHERS, *VERCEL)
