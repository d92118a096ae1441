"""Numbers that hold from a day on, each with its source: what `access.yaml` and `intake.yaml` have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from shared.reference.calendar import local_day
from shared.reference.dated import in_force, in_order
from shared.reference.files import ReferenceDataError, read_yaml


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers in force from a day on; what each means is said in the data file."""

    effective_from: date
    legal_source_vi: str
    legal_source_en: str

    def problems(self) -> Iterator[str]:
        """What makes no sense in them, said in words."""
        yield from ()


L = TypeVar("L", bound=Limits)


class LimitsByDay(Generic[L]):
    """All limits of one file, past and present. Raises `ReferenceDataError` where one makes no sense or has no source.

    Args:
        file: where they stand, for the message. limits: of all days.
    """

    def __init__(self, file: str, limits: Sequence[L]) -> None:
        self._limits = in_order(limits)
        if not self._limits:
            raise ReferenceDataError(f"{file}: no limits are in force")
        for known in self._limits:
            where = f"{file}: {known.effective_from}"
            for problem in known.problems():
                raise ReferenceDataError(f"{where}: {problem}")
            if not (known.legal_source_vi and known.legal_source_en):
                raise ReferenceDataError(f"{where}: the source is needed in both languages")

    def on(self, now: datetime) -> L:
        """The limits in force at a moment; before the first, the first."""
        return in_force(self._limits, local_day(now))

    def __len__(self) -> int:
        return len(self._limits)

    def __iter__(self) -> Iterator[L]:
        return iter(self._limits)


def read_limits(file: str, kind: type[L]) -> list[L]:
    """The limits of a data file. Raises `ReferenceDataError` for a row with other names."""
    rows: list[Mapping[str, object]] = read_yaml(file)
    try:
        return [kind(**row) for row in rows]  # type: ignore[arg-type]
    except TypeError as error:
        raise ReferenceDataError(f"{file}: {error}") from None
