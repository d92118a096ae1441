"""Which fields of a child's record may leave the registry, for whom, and how much a person may take along.

Data with source and effective date; it never says whose children: that is the place of the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from shared.reference.dated import in_force, in_order
from shared.reference.files import ReferenceDataError, kept, read_yaml

_FILE = "registry-fields.yaml"


@dataclass(frozen=True, slots=True)
class ExportField:
    """A field that may be exported: its names, whether it must be chosen by name, and the roles that may."""

    code: str
    vi: str
    en: str
    sensitive: bool
    roles: frozenset[str]

    def label(self, language: str) -> str:
        """Its name in `vi` or `en`."""
        return self.en if language == "en" else self.vi


@dataclass(frozen=True, slots=True)
class Quota:
    """What one account may take along on one day."""

    exports_per_day: int
    children_per_day: int


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """The numbers in force from a day on; what each means is said in the data file."""

    effective_from: date
    legal_source_vi: str
    legal_source_en: str
    purpose_least: int
    minutes: int
    at_once: int
    roles: Mapping[str, Quota]


class RegistryFields:
    """All fields and limits. Raises `ReferenceDataError` where one makes no sense."""

    def __init__(self, fields: Sequence[ExportField], limits: Sequence[ExportLimits]) -> None:
        self._fields = {field.code: field for field in fields}
        self._limits = in_order(limits)
        if not self._fields or not self._limits:
            raise ReferenceDataError(f"{_FILE}: fields and limits are needed")
        for known in self._limits:
            where = f"{_FILE}: limits of {known.effective_from}"
            quotas = [min(quota.exports_per_day, quota.children_per_day) for quota in known.roles.values()]
            if min((known.purpose_least, known.minutes, known.at_once, *quotas)) < 1:
                raise ReferenceDataError(f"{where}: every number is at least 1")
            if not (known.legal_source_vi and known.legal_source_en):
                raise ReferenceDataError(f"{where}: the source is needed in both languages")

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        data: dict[str, Any] = read_yaml(_FILE)
        try:
            if not (data["fields"]["legal_source_vi"] and data["fields"]["legal_source_en"]):
                raise ReferenceDataError(f"{_FILE}: fields need their source in both languages")
            fields = [
                ExportField(code, row["vi"], row["en"], bool(row["sensitive"]), frozenset(row["roles"]))
                for code, row in data["fields"]["codes"].items()
                if row is not None
            ]
            limits = [
                ExportLimits(**{**row, "roles": {role: Quota(**quota) for role, quota in row["roles"].items()}})
                for row in data["limits"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise ReferenceDataError(f"{_FILE}: {error!r}") from None
        return cls(fields, limits)

    def all(self) -> tuple[ExportField, ...]:
        """Every field, in the order of the columns."""
        return tuple(self._fields.values())

    def of(self, role: str) -> tuple[ExportField, ...]:
        """The fields that a role may take along, in the order of the columns."""
        return tuple(field for field in self._fields.values() if role in field.roles)

    def on(self, day: date) -> ExportLimits:
        """The limits in force on a day; before the first, the first."""
        return in_force(self._limits, day)

    def __len__(self) -> int:
        return len(self._fields)
