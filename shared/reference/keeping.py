"""How a register of children is kept: when a record must be verified again, how samples are drawn, who may do what.

Data with source and effective date; it never says what an act does: that is the registry's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, Self, TypeVar

from shared.contracts.vocabulary import ChildDescription
from shared.reference.dated import in_force, in_order
from shared.reference.files import ReferenceDataError, kept, read_yaml

_FILE = "registry.yaml"


@dataclass(frozen=True, slots=True)
class _InForce:
    effective_from: date
    legal_source_vi: str
    legal_source_en: str


R = TypeVar("R", bound=_InForce)


@dataclass(frozen=True, slots=True)
class Periods(_InForce):
    """After how many months a record must be verified again, and how it can be."""

    months: int
    special_months: int
    young_months: int
    young_age: int
    methods: Sequence[str]


@dataclass(frozen=True, slots=True)
class Sampling(_InForce):
    """How blind samples are drawn, what is asked in them, and the share of answers that should be alike."""

    share: float
    least: int
    most: int
    days: int
    target: float
    shown: Sequence[str]
    compared: Sequence[str]


@dataclass(frozen=True, slots=True)
class Acts(_InForce):
    """Which roles may do what with a record."""

    roles: Mapping[str, Sequence[str]]

    def may(self, role: str, act: str) -> bool:
        """Whether a role may do an act; says nothing about the place. Raises `KeyError` for an unknown act."""
        return role in self.roles[act]


@dataclass(frozen=True, slots=True)
class Adoption(_InForce):
    """When an adopted child's new record begins, and who may read for what purpose which record was whose."""

    least_hours: float
    most_hours: float
    link_roles: Sequence[str]
    purposes: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Erasure(_InForce):
    """What forbids to erase a child's record, and the grounds on which it is done."""

    case_months: int
    grounds: Mapping[str, Mapping[str, str]]
    hold_reasons: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Support(_InForce):
    """For how many months after a service a child counts as supported."""

    months: int


@dataclass(frozen=True, slots=True)
class Rounds(_InForce):
    """How long a phone may keep a list of children, how many one may hold, and which work lists can be taken."""

    keep_hours: float
    most_children: int
    lists: Sequence[str]


class Editions(Generic[R]):
    """The entries of one list, past and present. Raises `ReferenceDataError` where there is none."""

    def __init__(self, name: str, entries: Sequence[R]) -> None:
        if not entries:
            raise ReferenceDataError(f"{_FILE}: {name}: nothing is in force")
        for entry in entries:
            if not (entry.legal_source_vi and entry.legal_source_en):
                raise ReferenceDataError(f"{_FILE}: {name}: the source is needed in both languages")
        self._entries = in_order(entries)

    def on(self, day: date) -> R:
        """What is in force on a day; before the first, the first."""
        return in_force(self._entries, day)

    def __iter__(self) -> Iterator[R]:
        return iter(self._entries)


class Keeping:
    """All rules. Raises `ReferenceDataError` where one makes no sense."""

    def __init__(self, document: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        try:
            self.periods = Editions("verification", [Periods(**row) for row in document["verification"]])
            self.sampling = Editions("sampling", [Sampling(**row) for row in document["sampling"]])
            self.acts = Editions("acts", [Acts(**row) for row in document["acts"]])
            self.adoption = Editions("adoption", [Adoption(**row) for row in document["adoption"]])
            self.erasure = Editions("erasure", [Erasure(**row) for row in document["erasure"]])
            self.support = Editions("support", [Support(**row) for row in document["support"]])
            self.rounds = Editions("rounds", [Rounds(**row) for row in document["rounds"]])
        except (KeyError, TypeError) as error:
            raise ReferenceDataError(f"{_FILE}: {error!r}") from None
        for periods in self.periods:
            if min(periods.months, periods.special_months, periods.young_months) < 1 or not periods.methods:
                raise ReferenceDataError(f"{_FILE}: verification: a period is at least a month, a way is needed")
        for sampling in self.sampling:
            _check_sampling(sampling)
        for acts in self.acts:
            if missing := ACTS - set(acts.roles):
                raise ReferenceDataError(f"{_FILE}: acts: nobody is named for {', '.join(sorted(missing))}")
        for adoption in self.adoption:
            if not 0 < adoption.least_hours < adoption.most_hours or not adoption.purposes:
                raise ReferenceDataError(f"{_FILE}: adoption: a span of hours and a purpose are needed")
        for support in self.support:
            if support.months < 1:
                raise ReferenceDataError(f"{_FILE}: support: it lasts a month at least")
        for rounds in self.rounds:
            if rounds.keep_hours <= 0 or rounds.most_children < 1:
                raise ReferenceDataError(f"{_FILE}: rounds: a time to keep a list and a size are needed")

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_yaml(_FILE))


# Every act that somebody must be named for.
ACTS = frozenset(
    {
        "check",
        "verify",
        "move",
        "move-away",
        "die",
        "withdraw",
        "return",
        "adopt",
        "erase",
        "hold",
        "sample",
        "decide",
    }
)


def _check_sampling(sampling: Sampling) -> None:
    if not (0 < sampling.share <= 1 and 0 < sampling.target <= 1 and 1 <= sampling.least <= sampling.most):
        raise ReferenceDataError(f"{_FILE}: sampling: shares lie between 0 and 1, `least` is not above `most`")
    fields = {*sampling.shown, *sampling.compared}
    if unknown := fields - set(ChildDescription.model_fields):
        raise ReferenceDataError(f"{_FILE}: sampling: there is no field {', '.join(sorted(unknown))}")
    if set(sampling.shown) & set(sampling.compared):
        raise ReferenceDataError(f"{_FILE}: sampling: what is shown cannot be asked blindly")
