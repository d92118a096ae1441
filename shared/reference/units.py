"""Communes and wards: what each code means on which day, and which one people mean by a name.

Two communes may share a name without its diacritics (Văn Lang, Văn Lăng): a name that fits two means none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Self

from shared.reference.files import ReferenceDataError, read_csv
from shared.reference.text import fold

UNCLASSIFIED = "unclassified"
_PREFIX = re.compile(r"^(?:ubnd )?(xa|phuong|thi tran|thi xa|x|p|tt)[. ]\s*")
_KINDS = {"xa": "xã", "x": "xã", "phuong": "phường", "p": "phường", "thi tran": "thị trấn", "tt": "thị trấn"}
_ENGLISH = {"ward": "Ward", "commune": "Commune"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A commune or ward. `name` carries its kind: "Xã Phú Bình"."""

    code: str
    name: str
    kind: str

    @property
    def short(self) -> str:
        """The name without its kind."""
        return self.name.split(" ", 1)[1]


class Units:
    """The province's units."""

    def __init__(self, units: Mapping[str, Unit]) -> None:
        self._units = dict(sorted(units.items()))
        self._by_text: dict[str, set[str]] = {}
        for unit in self._units.values():
            for form in (unit.short.lower(), unit.name.lower(), fold(unit.short), fold(unit.name)):
                self._by_text.setdefault(form, set()).add(unit.code)

    @classmethod
    @cache
    def load(cls) -> Self:
        """From the data files. Raises `ReferenceDataError`."""
        units: dict[str, Unit] = {}
        for row in read_csv("units.csv"):
            if row["code"] in units:
                raise ReferenceDataError(f"units.csv: {row['code']} stands twice")
            if not row["effective_to"]:
                units[row["code"]] = Unit(row["code"], row["name"], row["kind"])
        return cls(units)

    def codes(self) -> tuple[str, ...]:
        """Today's codes, five digits each, in order."""
        return tuple(self._units)

    def name(self, code: str, language: str = "vi") -> str:
        """The unit's name; the code itself where nobody knows it."""
        if code == UNCLASSIFIED:
            return "Chưa rõ xã" if language == "vi" else "Commune not known"
        unit = self._units.get(code)
        if unit is None:
            return code
        return unit.name if language == "vi" else f"{unit.short} {_ENGLISH[unit.kind]}"

    def names(self) -> dict[str, str]:
        """Today's codes with their Vietnamese names."""
        return {code: unit.name for code, unit in self._units.items()}

    def current(self, code: str) -> str | None:
        """The unit that a code belongs to today; None when unknown."""
        return code if code in self._units else None

    def find(self, text: str) -> str | None:
        """The unit that somebody means; None when unknown, or when two fit equally."""
        spoken = " ".join(text.split("(", maxsplit=1)[0].split(",", maxsplit=1)[0].lower().split())
        for form in (spoken, _without_prefix(spoken), fold(spoken), _without_prefix(fold(spoken))):
            found = self._by_text.get(form, set())
            if len(found) == 1:
                return next(iter(found))
        return None


def _without_prefix(text: str) -> str:
    match = _PREFIX.match(fold(text))
    return text[match.end() :].strip() if match and len(fold(text)) == len(text) else text
