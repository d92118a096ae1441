"""Communes and wards: what each code means on which day, and which one people mean by a name.

Two communes may share a name without its diacritics (Văn Lang, Văn Lăng): a name that fits two means none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Self

from shared.reference.files import ReferenceDataError, day_or_none, first_day, kept, read_csv
from shared.reference.spoken import Piece, Spoken, take_apart
from shared.reference.text import fold, toned

UNCLASSIFIED = "unclassified"
# What everybody says instead of a name where the commune is not known: language -> words.
NOWHERE: Mapping[str, str] = {"vi": "Chưa xác định xã, phường", "en": "Commune not known"}
_KINDS = {"ward": "Phường", "commune": "Xã", "town": "Thị trấn"}
_ENGLISH = {
    "Phường": "Ward",
    "Xã": "Commune",
    "Thị trấn": "Town",
    "Tỉnh": "Province",
    "Huyện": "District",
    "Thành phố": "City",
    "Thị xã": "Town",
}
_KIND = re.compile(f"^({'|'.join(_ENGLISH)}) ")
_CODE = re.compile(r"^\d{5}$")
# Clerks write i and y for one sound after a consonant (Hỷ, Hỉ), in every tone.
_Y_AS_I = re.compile(r"(?<=[bcdđghklmnpqrstvx])y(?=\W|$|[\u0300-\u0323])")
# One name stands on thousands of rows; the bound keeps memory the same. Longer texts may be addresses: not kept.
_REMEMBERED = 4_096
_NAME_LENGTH = 40


def place_label(name: str, language: str) -> str:
    """A place in a language. In: its Vietnamese name, "Xã Phú Bình". Out: that, or "Phú Bình Commune": its own name as
    it is, its kind in English. A name without a kind stays."""
    if language == "vi":
        return name
    kind = _KIND.match(name)
    return name if kind is None else f"{name[kind.end() :]} {_ENGLISH[kind[1]]}"


@dataclass(frozen=True, slots=True)
class Unit:
    """A commune, ward or (until 2025) town. `name` carries its kind: "Xã Phú Bình".

    `effective_to`: first day it was no more. `district`: the one it lay in, as districts ended with it.
    `successors`: today's codes of its land; several where it was divided.
    """

    code: str
    name: str
    kind: str
    effective_from: date | None = None
    effective_to: date | None = None
    district: str | None = None
    successors: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    legal_source: str = ""

    @property
    def short(self) -> str:
        """The name without its kind."""
        return self.name.removeprefix(_KINDS[self.kind]).strip()

    def label(self, language: str = "vi") -> str:
        """The name in a language."""
        return place_label(self.name, language)

    def in_force(self, day: date) -> bool:
        """Whether it exists on `day`."""
        return (self.effective_from is None or self.effective_from <= day) and (
            self.effective_to is None or day < self.effective_to
        )


@dataclass(frozen=True, slots=True)
class Area:
    """A level above the units. `kind`: province, district, or elsewhere (a province that is not ours)."""

    code: str
    name: str
    kind: str
    parent: str | None = None
    effective_to: date | None = None
    aliases: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The name without its kind."""
        return _KIND.sub("", self.name)

    def label(self, language: str = "vi") -> str:
        """The name in a language."""
        return place_label(self.name, language)


class Units:
    """The province's units, those of today and those that became them.

    Raises `ReferenceDataError` where the data contradicts itself.
    """

    def __init__(self, units: Iterable[Unit], areas: Iterable[Area] = ()) -> None:
        self._all = sorted(units, key=lambda unit: (unit.code, unit.effective_from or date.min))
        self._areas = {area.code: area for area in areas}
        self._today = {unit.code: unit for unit in self._all if unit.effective_to is None}
        self._predecessors: dict[str, list[Unit]] = {code: [] for code in self._today}
        _check(self._all, self._today, self._areas)
        for unit in self._all:
            for code in unit.successors:
                self._predecessors[code].append(unit)
        _check_predecessors(self._today, self._predecessors, self._all)
        self._by_tone = _index(self._all, _toned_key)
        self._by_fold = _index(self._all, _folded_key)
        self._areas_by_name: dict[str, set[str]] = {}
        for area in self._areas.values():
            for name in (area.short, *area.aliases):
                self._areas_by_name.setdefault(_folded_key(name), set()).add(area.code)
        self._remembered = lru_cache(_REMEMBERED)(self._find)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data files. Raises `ReferenceDataError`."""
        areas = [
            Area(
                code=row["code"],
                name=row["name"],
                kind=row["kind"],
                parent=row["parent"] or None,
                effective_to=day_or_none(row["effective_to"], "areas.csv", row["code"]),
                aliases=_listed(row["aliases"], ";"),
            )
            for row in read_csv("areas.csv")
        ]
        return cls((_unit(row) for row in read_csv("units.csv")), areas)

    def codes(self) -> tuple[str, ...]:
        """Today's codes, five digits each, in order."""
        return tuple(self._today)

    def name(self, code: str, language: str = "vi") -> str:
        """The unit's name, an old unit's too; the code itself where nobody knows it."""
        if code == UNCLASSIFIED:
            return NOWHERE[language]
        unit = self._today.get(code) or next((unit for unit in self._all if unit.code == code), None)
        if unit is None:
            return code
        return unit.label(language)

    def names(self) -> dict[str, str]:
        """Today's codes with their Vietnamese names."""
        return {code: unit.name for code, unit in self._today.items()}

    def areas(self) -> tuple[Area, ...]:
        """Provinces and districts, those that ended too."""
        return tuple(self._areas.values())

    def province(self) -> str:
        """Today's province: its code, two digits."""
        return self._province().code

    def province_name(self, language: str = "vi") -> str:
        """Its name."""
        return self._province().label(language)

    def _province(self) -> Area:
        return next(area for area in self._areas.values() if area.kind == "province" and area.effective_to is None)

    def on(self, code: str, day: date) -> Unit | None:
        """What a code meant on `day`: codes were given anew in 2025. None when it meant nothing."""
        return next((unit for unit in self._all if unit.code == code and unit.in_force(day)), None)

    def predecessors(self, code: str) -> tuple[Unit, ...]:
        """The units whose land, all or part, is today's unit `code`."""
        return tuple(self._predecessors.get(code, ()))

    def successors(self, code: str, day: date | None = None) -> tuple[str, ...]:
        """Today's units of what `code` meant on `day` (without a day: today, else at its end); several if divided."""
        if day is None and code in self._today:
            return (code,)
        unit = self.on(code, day) if day else next((unit for unit in self._all if unit.code == code), None)
        if unit is None:
            return ()
        return unit.successors if unit.effective_to else (unit.code,)

    def current(self, code: str, day: date | None = None) -> str | None:
        """The unit that a code (as it was on `day`) belongs to today; None when unknown or divided."""
        found = self.successors(code, day)
        return found[0] if len(found) == 1 else None

    def folded(self, code: str) -> str:
        """Today's unit of a code that a record names, whenever it was written: a code that was given anew in a reform
        went to a unit that holds the old one's land. `UNCLASSIFIED` where it is unknown, or the land was divided."""
        return self.current(code) or UNCLASSIFIED

    def ever(self) -> frozenset[str]:
        """All codes that there ever were."""
        return frozenset(unit.code for unit in self._all)

    def named_as(self, codes: Iterable[str]) -> frozenset[str]:
        """All codes by which records may name today's units: their own, and those of what became them."""
        wanted = frozenset(codes)
        former = {unit.code for unit in self._all if self.folded(unit.code) in wanted}
        return wanted | former

    def district(self, code: str) -> str | None:
        """The old district in which today's unit is counted: that of the unit whose code it bears, so that each lies in
        one, though some took in land of two. None where it bears nobody's."""
        borne = [unit.district for unit in self.predecessors(code) if unit.code == code]
        return borne[0] if borne else None

    def in_district(self, area: str) -> frozenset[str]:
        """Today's units that are counted in an old district."""
        return frozenset(code for code in self._today if self.district(code) == area)

    def find(self, text: str) -> str | None:
        """The unit that somebody means; None when unknown, or when two fit equally."""
        return self._remembered(text) if len(text) <= _NAME_LENGTH else self._find(text)

    def meant(self, text: str) -> tuple[str, ...]:
        """Today's units that somebody may mean: the one found, else those in whose names the text stands as whole
        words: by its tones where any fits by them, unless it was typed without. Codes in the order of the data."""
        found = self.find(text)
        if found is not None:
            return (found,)
        for key in (_folded_key,) if text.isascii() else (_toned_key, _folded_key):
            said = f" {key(text)} "
            fitting = tuple(code for code, unit in self._today.items() if said in f" {key(unit.name)} ")
            if said.strip() and fitting:
                return fitting
        return ()

    def _find(self, text: str) -> str | None:
        spoken = take_apart(text, self._is_unit, self._is_area)
        meant = {self._resolve(piece, spoken) for piece in spoken.units}
        if spoken.code:
            meant.add(self.current(spoken.code))
        return meant.pop() if len(meant) == 1 else None

    def _resolve(self, piece: Piece, spoken: Spoken) -> str | None:
        """The one unit of today that a named piece can be."""
        areas = self._areas_of(spoken.places)
        if areas is None:
            return None
        for index, key in ((self._by_tone, _toned_key), (self._by_fold, _folded_key)):
            named = index.get(key(piece.name), ())
            if not named:
                continue
            here = [unit for unit in named if self._lies_in(unit, areas)]
            if not here:
                # An outdated district does not matter where the name, even without tones, is the only one of its kind.
                all_alike = _same_kind(self._by_fold.get(_folded_key(piece.name), ()), piece.kind)
                return self._only(all_alike)
            return self._only(_prefer_today(_same_kind(here, piece.kind), piece))
        return None

    def _only(self, units: Sequence[Unit]) -> str | None:
        targets = {code for unit in units for code in (unit.successors if unit.effective_to else (unit.code,))}
        return targets.pop() if len(targets) == 1 else None

    def _areas_of(self, places: Sequence[Piece]) -> set[str] | None:
        """The areas that were said, empty when none narrows the search; None when another province was meant."""
        said: set[str] = set()
        for number, place in enumerate(places):
            codes = self._areas_by_name.get(_folded_key(place.name), set())
            level = place.area or ("district" if _names_again(place, places[number + 1 :]) else None)
            if level:
                codes = {code for code in codes if self._areas[code].kind in {level, "elsewhere"}}
            if (place.area and not codes) or (codes and all(self._areas[code].kind == "elsewhere" for code in codes)):
                return None
            codes = {code for code in codes if self._areas[code].kind != "elsewhere"}
            # Today's province, or a word that may mean it, holds every unit: it narrows nothing.
            if codes and all(self._areas[code].effective_to for code in codes):
                said = said & self._below(codes) if said else self._below(codes)
        return said

    def _below(self, codes: set[str]) -> set[str]:
        """The districts of areas."""
        return {
            area.code for area in self._areas.values() if area.kind == "district" and {area.code, area.parent} & codes
        }

    def _lies_in(self, unit: Unit, districts: set[str]) -> bool:
        if not districts:
            return True
        lay = [unit] if unit.effective_to else self._predecessors[unit.code]
        return any(one.district in districts for one in lay)

    def _is_unit(self, name: str) -> bool:
        return _folded_key(name) in self._by_fold if name.isascii() else _toned_key(name) in self._by_tone

    def _is_area(self, name: str) -> bool:
        return _folded_key(name) in self._areas_by_name


def _names_again(place: Piece, further: Sequence[Piece]) -> bool:
    """Thái Nguyên, tỉnh Thái Nguyên: the nearer one is the city."""
    return any(_folded_key(place.name) == _folded_key(other.name) for other in further)


def _same_kind(units: Sequence[Unit], kind: str | None) -> Sequence[Unit]:
    """Those of the kind said, or all where none is: people call a ward a commune out of habit."""
    return [unit for unit in units if unit.kind == kind] or units


def _prefer_today(units: Sequence[Unit], piece: Piece) -> Sequence[Unit]:
    """A name that lives on means its bearer of today, unless somebody says "cũ" or the spellings differ."""
    old = [unit for unit in units if unit.effective_to]
    today = [unit for unit in units if not unit.effective_to]
    if piece.era == "old":
        return old or today
    if piece.era == "new" or len({_toned_key(unit.short) for unit in units}) == 1:
        return today or old
    return units


def _toned_key(name: str) -> str:
    return _Y_AS_I.sub("i", toned(name))


def _folded_key(name: str) -> str:
    return _Y_AS_I.sub("i", fold(name))


def _index(units: Iterable[Unit], key: object) -> Mapping[str, list[Unit]]:
    index: dict[str, list[Unit]] = {}
    for unit in units:
        for name in {key(name) for name in (unit.short, *unit.aliases)}:  # type: ignore[operator]
            index.setdefault(name, []).append(unit)
    return index


def _listed(text: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def _unit(row: Mapping[str, str]) -> Unit:
    return Unit(
        code=row["code"],
        name=row["name"],
        kind=row["kind"],
        effective_from=day_or_none(row["effective_from"], "units.csv", row["code"]),
        effective_to=day_or_none(row["effective_to"], "units.csv", row["code"]),
        district=row["district"] or None,
        successors=_listed(row["successors"]),
        aliases=_listed(row["aliases"], ";"),
        legal_source=row["legal_source"],
    )


def _check(units: Sequence[Unit], today: Mapping[str, Unit], areas: Mapping[str, Area]) -> None:
    """Codes well formed, periods without overlap, references known."""
    earlier: Unit | None = None
    for unit in units:
        where = f"units.csv: {unit.code} {unit.name}"
        if not _CODE.match(unit.code):
            raise ReferenceDataError(f"{where}: a code has five digits")
        if unit.kind not in _KINDS or not unit.name.startswith(f"{_KINDS[unit.kind]} "):
            raise ReferenceDataError(f"{where}: the name must begin with its kind")
        if unit.effective_to and first_day(unit.effective_from) >= unit.effective_to:
            raise ReferenceDataError(f"{where}: ends before it begins")
        if bool(unit.effective_to) != bool(unit.successors):
            raise ReferenceDataError(f"{where}: a unit that ended has successors, one of today has none")
        if not unit.legal_source:
            raise ReferenceDataError(f"{where}: needs its legal source")
        if earlier and earlier.code == unit.code:
            if earlier.effective_to is None or earlier.effective_to > first_day(unit.effective_from):
                raise ReferenceDataError(f"{where}: the code means two units at once")
            if earlier.effective_to != unit.effective_from:
                raise ReferenceDataError(f"{where}: a gap since {earlier.effective_to}")
        for code in unit.successors:
            if code not in today:
                raise ReferenceDataError(f"{where}: its successor {code} is no unit of today")
            if today[code].effective_from != unit.effective_to:
                raise ReferenceDataError(f"{where}: a gap or overlap with its successor {code}")
        if unit.district and unit.district not in areas:
            raise ReferenceDataError(f"{where}: its district {unit.district} is not in areas.csv")
        earlier = unit
    for area in areas.values():
        if area.parent and area.parent not in areas:
            raise ReferenceDataError(f"areas.csv: {area.code}: its province {area.parent} is not there")


def _check_predecessors(
    today: Mapping[str, Unit], predecessors: Mapping[str, Sequence[Unit]], units: Sequence[Unit]
) -> None:
    """Where the table knows what was before, every unit of today came from something."""
    if any(unit.effective_to for unit in units):
        for code, unit in today.items():
            if not predecessors[code]:
                raise ReferenceDataError(f"units.csv: {code} {unit.name} has no predecessor")
