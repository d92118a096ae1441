"""What stands on the board, divided by two things at once: a bar a line, each number beside it. Pure.

Plain HTML, for these change each second with the rest of the board: no picture is drawn anew, and nothing moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.stats.domain.orders import AGES
from services.stats.views import SEXES, Words
from shared.reference.terms import Terms

RISKS: Final = ("high", "medium", "low", "unassessed")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a bar: where it begins, how long it is (of 100), whose it is."""

    start: float
    length: float
    part: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line: its name, each part's number, its bar."""

    name: str
    numbers: tuple[int, ...]
    bar: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One breakdown. `parts`: code and name of each column of numbers."""

    id: str
    title: str
    of: str
    parts: Sequence[tuple[str, str]]
    rows: Sequence[Row]


def breakdowns(
    words: Words,
    by_kind: Mapping[tuple[str, str], int],
    by_age: Mapping[tuple[str, str], int],
    by_sector: Mapping[str, int],
) -> list[Breakdown]:
    """The board's breakdowns, those of which there is something: open cases by kind and risk, reports by age and sex,
    reports by sector. Lines are the largest first, for a phone shows the first ones; those of ages in their order."""
    risks = Terms.load("risk-levels")
    found = [
        _breakdown(
            "chart-kinds",
            words("Vụ việc đang mở theo hình thức và mức nguy cơ"),
            (words("Hình thức"), _terms(words, "case-kinds")),
            [(code, risks.label(code, words.language)) for code in RISKS],
            by_kind,
        ),
        _breakdown(
            "chart-ages",
            words("Tin báo theo tuổi và giới tính"),
            (words("Tuổi"), {code: words.age(code) for code in AGES}),
            [(code, words(name)) for code, name in SEXES.items()],
            by_age,
            in_order=True,
        ),
        _breakdown(
            "chart-sectors",
            words("Tin báo theo ngành gửi"),
            (words("Ngành"), _terms(words, "sectors")),
            [("all", words("Số tin báo"))],
            {(sector, "all"): n for sector, n in by_sector.items()},
        ),
    ]
    return [one for one in found if one.rows]


def _breakdown(
    chart_id: str,
    title: str,
    lines: tuple[str, Mapping[str, str]],
    parts: Sequence[tuple[str, str]],
    counts: Mapping[tuple[str, str], int],
    *,
    in_order: bool = False,
) -> Breakdown:
    of, names = lines
    numbers = {code: tuple(counts.get((code, part), 0) for part, _ in parts) for code in names}
    most = max((sum(found) for found in numbers.values()), default=0)
    codes = [part for part, _ in parts]
    told = [code for code in names if any(numbers[code])]
    if not in_order:
        told.sort(key=lambda code: -sum(numbers[code]))
    rows = [Row(names[code], numbers[code], _bar(numbers[code], codes, most)) for code in told]
    return Breakdown(chart_id, title, of, parts, rows)


def _bar(numbers: Sequence[int], parts: Sequence[str], most: int) -> tuple[Stretch, ...]:
    found = []
    start = 0.0
    for n, part in zip(numbers, parts, strict=True):
        if n:
            length = 100 * n / most
            found.append(Stretch(round(start, 2), round(length, 2), part))
            start += length
    return tuple(found)


def _terms(words: Words, name: str) -> dict[str, str]:
    terms = Terms.load(name)
    return {code: terms.label(code, words.language) for code in terms.codes()}
