"""Benches: each compares ours with others on the same input, in the same run, on the same machine.

A bench is a module here with `async def run(quick: bool) -> list[Result]`. It must never be part of the test suite.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile."""
    cuts = statistics.quantiles(values, n=100)
    return cuts[49], cuts[98]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    Args:
        name: of the bench. what: was measured. ours: the figure, in `unit`.
        beside: the same figure of others. ratio: how many times better ours is than each of them.
        aim: in words. met: whether it was reached.
    """

    name: str
    what: str
    ours: float
    unit: str
    beside: dict[str, float] = field(default_factory=dict)
    ratio: dict[str, float] = field(default_factory=dict)
    aim: str = ""
    met: bool = True

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)
