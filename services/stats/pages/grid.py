"""The province as a grid of equal tiles: each commune's figure where it roughly lies, darker where it is higher.

Not a map, and the page says so. Each tile says its figure in words too: no colour stands alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.stats.domain.disclosure import Shown
from services.stats.domain.reading import is_judged
from services.stats.views import Words
from shared.reference.indicators import Indicator, Target
from shared.reference.tiles import load_tiles
from shared.reference.units import Unit, Units

STEPS: Final = 5
# Of a tile, in the picture's own units.
SIDE: Final = 32
_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Spot:
    """One commune's tile. `step`: 0 (none) to 5 (most); None: nothing is known or shown. `lines`: its short name."""

    code: str
    name: str
    initials: str
    lines: tuple[str, ...]
    x: int
    y: int
    value: str
    said: str
    step: int | None
    hidden: bool
    missed: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """All tiles, and what their shades mean: from, to, in words, each with its step."""

    spots: Sequence[Spot]
    legend: Sequence[tuple[int, str]]
    width: int
    height: int
    any_hidden: bool
    any_missed: bool


def grid_of(words: Words, indicator: Indicator, figures: Mapping[str, Shown], goal: Target | None, today: date) -> Grid:
    """In: figures by commune (those that are not the reader's are not among them), the communes' target."""
    tiles = load_tiles()
    steps = _steps([one.value for code, one in figures.items() if code in tiles and one.value is not None])
    spots = [_spot(words, indicator, unit, figures.get(unit.code), goal, steps) for unit in _placed(tiles, today)]
    return Grid(
        spots,
        _legend(words, indicator, steps),
        max(tile.column for tile in tiles.values()) * (SIDE + _GAP) - _GAP,
        max(tile.row for tile in tiles.values()) * (SIDE + _GAP) - _GAP,
        any(spot.hidden for spot in spots),
        any(spot.missed for spot in spots),
    )


def _placed(tiles: Iterable[str], today: date) -> list[Unit]:
    units = Units.load()
    return [unit for unit in (units.on(code, today) for code in tiles) if unit is not None]


def _spot(
    words: Words,
    indicator: Indicator,
    unit: Unit,
    figure: Shown | None,
    goal: Target | None,
    steps: Mapping[float, int],
) -> Spot:
    tile, name = load_tiles()[unit.code], words.unit(unit.code)
    value = figure.value if figure else None
    known = figure is not None and (figure.hidden is not None or value is not None)
    return Spot(
        unit.code,
        name,
        "".join(word[0] for word in unit.short.split()),
        _lines(unit.short),
        (tile.column - 1) * (SIDE + _GAP),
        (tile.row - 1) * (SIDE + _GAP),
        words.number(indicator, value) if value is not None else "",
        f"{name}: {words.shown(indicator, figure) if known else words('chưa có số liệu')}",
        None if value is None else steps[value],
        figure is not None and figure.hidden is not None,
        figure is not None
        and value is not None
        and goal is not None
        and is_judged(indicator, figure.period, goal)
        and indicator.met(value, goal) is False,
    )


def _steps(values: Sequence[float]) -> Mapping[float, int]:
    """Each value's shade: zero its own, the others in five of about as many communes each."""
    ranked = sorted(value for value in values if value)
    found: dict[float, int] = {value: 0 for value in values if not value}
    for at, value in enumerate(ranked):
        # Equal values have one shade, the first one's.
        found.setdefault(value, at * STEPS // len(ranked) + 1)
    return found


def _legend(words: Words, indicator: Indicator, steps: Mapping[float, int]) -> list[tuple[int, str]]:
    by_step: dict[int, list[float]] = {}
    for value, step in steps.items():
        by_step.setdefault(step, []).append(value)
    found = []
    for step, values in sorted(by_step.items()):
        low, high = words.number(indicator, min(values)), words.number(indicator, max(values))
        found.append((step, low if low == high else f"{low}–{high}"))
    return found


def _lines(short: str) -> tuple[str, ...]:
    words = short.split()
    if len(words) > 2:
        return (" ".join((*(f"{word[0]}." for word in words[:-2]), words[-2])), words[-1])
    return tuple(words)
