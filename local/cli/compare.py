"""Compares figures with the truth: every difference by its path, none hidden by another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Figure = int | float | str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not what it should be."""

    figure: str
    expected: Figure
    counted: Figure

    def as_dict(self) -> dict[str, Figure]:
        """The JSON form."""
        return {"figure": self.figure, "expected": self.expected, "counted": self.counted}


def differences(expected: object, counted: object, path: str = "") -> list[Difference]:
    """In: the truth and the count, as nested mappings of figures. Out: what differs, in the order of the truth.

    Within a breakdown a missing key is zero on either side. A whole part that the truth does not speak of is not
    compared.
    """
    if not isinstance(expected, Mapping):
        return [] if expected == _zero(counted) else [Difference(path, _figure(expected), _figure(_zero(counted)))]
    theirs: Mapping[str, object] = counted if isinstance(counted, Mapping) else {}
    found = [
        difference
        for key, value in expected.items()
        for difference in differences(value, theirs.get(key), f"{path}.{key}" if path else key)
    ]
    if expected and not any(isinstance(value, Mapping) for value in expected.values()) and ".by_" in f".{path}":
        found += [
            Difference(f"{path}.{key}", 0, _figure(value))
            for key, value in theirs.items()
            if key not in expected and value
        ]
    return found


def _zero(counted: object) -> object:
    return 0 if counted is None else counted


def _figure(value: object) -> Figure:
    return value if isinstance(value, int | float | str) or value is None else str(value)
