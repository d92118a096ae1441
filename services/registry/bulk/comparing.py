"""Two lists of children against each other, without a platform: whose row in the one is whose in the other."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Literal

import orjson

from services.registry.bulk.lists import read_list, traits_of_row
from services.registry.bulk.proposing import Workshop, workshop
from services.registry.domain.matching import SURE, identify
from services.registry.domain.traits import Traits
from shared.files.tables import Cell
from shared.reference.units import Units

COLUMNS: Final = ("a", "b", "probability", "decision")
Decision = Literal["same", "unsure"]


@dataclass(frozen=True, slots=True)
class Found:
    """A row of the first list that is, or may be, a row of the second."""

    a: str
    b: str
    probability: float
    decision: Decision


@dataclass(slots=True)
class Totals:
    """What a comparison looked at and found."""

    a: int = 0
    b: int = 0
    same: int = 0
    unsure: int = 0


def compare_files(a: Path, b: Path, out: Path) -> Totals:
    """Write the pairs that two files have in common, sure and unsure ones; every other pair is different.

    In: files with the columns of `lists.COLUMNS`, of any encoding that `shared.files` reads. `out` is written whole or
    not at all. Raises: `FileProblem`, `OSError`.
    """
    units, totals = Units.load(), Totals()
    unfinished = out.with_name(f".{out.name}.part")
    try:
        with workshop() as shop, unfinished.open("w", encoding="utf-8", newline="") as file:
            totals.a = shop.load("a", _records(a, units))
            totals.b = shop.load("b", _records(b, units))
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for found in pairs_of(shop, units):
                writer.writerow([found.a, found.b, f"{found.probability:.4f}", found.decision])
                if found.decision == "same":
                    totals.same += 1
                else:
                    totals.unsure += 1
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return totals


def pairs_of(shop: Workshop, units: Units) -> Iterator[Found]:
    """What the matcher says of each row of the second list among those of the first, as it does when one registers."""
    for _, proposals in groupby(shop.propose(), key=lambda proposal: proposal.other_number):
        listed = list(proposals)
        wanted = _traits(listed[0].other_kept, units)
        found = identify(wanted, [(proposal.one, [_traits(proposal.one_kept, units)]) for proposal in listed])
        rivals = sum(match.probability >= SURE for match in found.possible)
        for match in found.possible:
            sure = found.sure is not None and match.child_id == found.sure.child_id
            # Where several look certain and none stands out, one of them is it.
            shared = match.probability >= SURE and not sure
            probability = round(match.probability / max(rivals, 2), 4) if shared else match.probability
            yield Found(match.child_id, listed[0].other, probability, "same" if sure else "unsure")


def _records(path: Path, units: Units) -> Iterator[tuple[str, Traits, bytes]]:
    for key, cells in read_list(path):
        yield key, traits_of_row(cells, units), orjson.dumps(cells)


def _traits(kept: bytes, units: Units) -> Traits:
    cells: dict[str, Cell] = orjson.loads(kept)
    return traits_of_row(cells, units)
