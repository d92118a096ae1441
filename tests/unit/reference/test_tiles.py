"""Each of today's communes has one tile, and neighbours mostly are neighbours."""

from __future__ import annotations

import pytest

from shared.reference import tiles
from shared.reference.files import ReferenceDataError
from shared.reference.tiles import Tile, load_tiles
from shared.reference.units import Units


def test_each_commune_of_today_has_a_tile_of_its_own() -> None:
    found = load_tiles()
    assert set(found) == set(Units.load().codes())
    assert len(set(found.values())) == len(found) == 92


def test_communes_of_one_old_district_lie_together() -> None:
    found, units = load_tiles(), Units.load()
    for code, tile in found.items():
        district = units.district(code)
        near = [found[other] for other in found if other != code and units.district(other) == district]
        assert near
        assert any(max(abs(tile.column - one.column), abs(tile.row - one.row)) <= 3 for one in near), code


def test_the_north_is_above() -> None:
    found, units = load_tiles(), Units.load()
    pac_nam = [found[code].row for code in units.in_district("060")]
    pho_yen = [found[code].row for code in units.in_district("172")]
    assert max(pac_nam) < min(pho_yen)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a": Tile(1, 1)}, "b: each unit"),
        ({"a": Tile(1, 1), "b": Tile(1, 1)}, "share"),
        ({"a": Tile(1, 1), "b": Tile(0, 1)}, "from 1"),
    ],
)
def test_wrong_tiles_stop_the_program(wrong: dict[str, Tile], message: str) -> None:
    with pytest.raises(ReferenceDataError, match=message):
        tiles._check(wrong, ["a", "b"])
