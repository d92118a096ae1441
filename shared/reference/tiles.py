"""Where each of today's units lies in a grid of equal tiles: the province with the same room for each of them.

Positions are approximate: set by hand from where communes lie to each other, north above, so that neighbours mostly
stay neighbours. It is no map: no border, distance or area can be read from it, and pages that show it say so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from shared.reference.files import ReferenceDataError, kept, read_csv
from shared.reference.units import Units

_FILE = "tiles.csv"


class Tile(NamedTuple):
    """A unit's place, both from 1: columns from west to east, rows from north to south."""

    column: int
    row: int


@kept
def load_tiles() -> Mapping[str, Tile]:
    """Today's units with their tiles, by code.

    Raises `ReferenceDataError` where one of today's units has no tile, a tile is no unit's, or two share one.
    """
    found = {row["code"]: Tile(int(row["column"]), int(row["row"])) for row in read_csv(_FILE)}
    _check(found, Units.load().codes())
    return found


def _check(tiles: Mapping[str, Tile], codes: Collection[str]) -> None:
    if missing := set(codes) ^ set(tiles):
        raise ReferenceDataError(
            f"{_FILE}: {', '.join(sorted(missing))}: each unit of today has one tile, nothing else"
        )
    if len(set(tiles.values())) < len(tiles):
        raise ReferenceDataError(f"{_FILE}: two units share a tile")
    if min(min(tile) for tile in tiles.values()) < 1:
        raise ReferenceDataError(f"{_FILE}: columns and rows are counted from 1")
