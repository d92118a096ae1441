"""Code lists that law or a province may change: codes with their names in both languages, in a meaningful order.

A code that ended keeps its meaning: events carry the codes of their own time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Self

from shared.reference.files import ReferenceDataError, first_day, kept, read_yaml
from shared.reference.text import fold


class Terms:
    """One code list.

    Args:
        name: of the list. entries: code to its `vi`, `en` and whatever else the list knows of it.
        legal_source (in Vietnamese and in English), effective_from: of the whole list; an entry may say otherwise
            for itself.

    Raises `ReferenceDataError` where the list contradicts itself.
    """

    def __init__(
        self,
        name: str,
        entries: Mapping[str, Mapping[str, Any]],
        legal_source: tuple[str, str],
        effective_from: date | None = None,
    ) -> None:
        self.name = name
        vi, en = legal_source
        whole = {
            "legal_source_vi": vi,
            "legal_source_en": en,
            "effective_from": effective_from,
            "effective_to": None,
        }
        for code, entry in entries.items():
            if not isinstance(entry, Mapping):
                raise ReferenceDataError(f"terms.yaml: {name}.{code} is no entry; a code that ends gets `effective_to`")
        self._entries: dict[str, dict[str, Any]] = {code: {**whole, **entry} for code, entry in entries.items()}
        self._meant: dict[str, set[str]] = {}
        for code, entry in self._entries.items():
            _check(f"terms.yaml: {name}.{code}", entry)
            for word in (entry["vi"], entry["en"], *entry.get("also", ())):
                self._meant.setdefault(fold(word), set()).add(code)

    @classmethod
    @kept
    def load(cls, name: str) -> Self:
        """A list from the data file. Raises `ReferenceDataError` where there is none of that name."""
        lists = _lists()
        if name not in lists:
            raise ReferenceDataError(f"terms.yaml has no list {name}")
        try:
            entries = {str(code): entry for code, entry in lists[name]["codes"].items()}
            source = (lists[name]["legal_source_vi"], lists[name]["legal_source_en"])
            return cls(name, entries, source, lists[name].get("effective_from"))
        except (KeyError, TypeError, AttributeError) as error:
            raise ReferenceDataError(f"terms.yaml: {name} is not a list of codes with its source: {error!r}") from None

    @staticmethod
    def names() -> tuple[str, ...]:
        """All lists that there are."""
        return tuple(_lists())

    def codes(self, on: date | None = None) -> tuple[str, ...]:
        """The codes in force on a day (without a day: those that have not ended), in the list's order."""
        return tuple(code for code, entry in self._entries.items() if _in_force(entry, on))

    def offered(self) -> tuple[str, ...]:
        """Of those the ones that people choose from: some are given by what is done alone."""
        return tuple(code for code in self.codes() if self.get(code, "offered") is not False)

    def label(self, code: str, language: str = "vi") -> str:
        """What a code means; the code itself where the list does not have it."""
        entry = self._entries.get(code)
        return code if entry is None else str(entry["vi" if language == "vi" else "en"])

    def get(self, code: str, field: str) -> Any:
        """Whatever else the list knows of a code; None where it knows nothing."""
        return self._entries.get(code, {}).get(field)

    def find(self, text: str) -> str | None:
        """The code that a word of a sender means, tones or not; None when unknown or when two fit."""
        if text in self._entries:
            return text
        found = self._meant.get(fold(text), set())
        return next(iter(found)) if len(found) == 1 else None

    def __contains__(self, code: object) -> bool:
        return code in self._entries


def answers_in(name: str) -> list[str]:
    """The codes of a list that a form may be answered with, in the list's order."""
    terms = Terms.load(name)
    return [code for code in terms.offered() if terms.get(code, "answer") is not False]


@kept
def _lists() -> dict[str, Any]:
    lists: dict[str, Any] = read_yaml("terms.yaml")
    return lists


def _in_force(entry: Mapping[str, Any], on: date | None) -> bool:
    if on is None:
        return entry["effective_to"] is None
    return first_day(entry["effective_from"]) <= on and (entry["effective_to"] is None or on < entry["effective_to"])


def _check(where: str, entry: Mapping[str, Any]) -> None:
    if not entry.get("vi") or not entry.get("en"):
        raise ReferenceDataError(f"{where} needs a name in both languages")
    if not (entry["legal_source_vi"] and entry["legal_source_en"]):
        raise ReferenceDataError(f"{where} needs its legal source in both languages")
    for bound in ("effective_from", "effective_to"):
        if entry[bound] is not None and not isinstance(entry[bound], date):
            raise ReferenceDataError(f"{where}: {bound} is no date")
    if entry["effective_to"] and entry["effective_to"] <= first_day(entry["effective_from"]):
        raise ReferenceDataError(f"{where} ends before it begins")
