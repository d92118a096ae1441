"""Code lists that law or a province may change: codes with their names in both languages, in a meaningful order."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Self

from shared.reference.files import ReferenceDataError, read_yaml


class Terms:
    """One code list.

    Args:
        name: of the list. entries: code to its `vi`, `en` and whatever else the list knows of it.
    """

    def __init__(self, name: str, entries: Mapping[str, Mapping[str, Any]]) -> None:
        for code, entry in entries.items():
            if not entry.get("vi") or not entry.get("en"):
                raise ReferenceDataError(f"terms.yaml: {name}.{code} needs a name in both languages")
        self.name = name
        self._entries = dict(entries)

    @classmethod
    @cache
    def load(cls, name: str) -> Self:
        """A list from the data file. Raises `ReferenceDataError` where there is none of that name."""
        lists = read_yaml("terms.yaml")
        if name not in lists:
            raise ReferenceDataError(f"terms.yaml has no list {name}")
        return cls(name, {str(code): entry for code, entry in lists[name].items()})

    def codes(self) -> tuple[str, ...]:
        """The codes, in the list's order."""
        return tuple(self._entries)

    def label(self, code: str, language: str = "vi") -> str:
        """What a code means; the code itself where the list does not have it."""
        entry = self._entries.get(code)
        return code if entry is None else str(entry["vi" if language == "vi" else "en"])

    def get(self, code: str, field: str) -> Any:
        """Whatever else the list knows of a code; None where it knows nothing."""
        return self._entries.get(code, {}).get(field)

    def __contains__(self, code: object) -> bool:
        return code in self._entries
