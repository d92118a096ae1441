"""Who is called next while nobody has acknowledged an emergency: minutes, roles and channels as data.

Data with source and effective dates; it never calls anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Literal, Self, get_args

from shared.contracts import CONTRACTS
from shared.contracts.base import TYPE_PREFIX
from shared.reference.dated import in_force, in_order
from shared.reference.files import ReferenceDataError, kept, read_yaml

_FILE = "notify-ladders.yaml"
LadderChannel = Literal["inbox", "push", "chat", "sms", "email"]
_ROLES = ("worker", "chair", "coordinator")
_PLACES = ("unit", "province")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: whom, from how many minutes after the beginning on, what wakes them (`channels`)."""

    after_minutes: int
    role: str
    of: Literal["unit", "province"]
    channels: tuple[LadderChannel, ...]

    @property
    def after(self) -> timedelta:
        """How long after the beginning it is called."""
        return timedelta(minutes=self.after_minutes)


@dataclass(frozen=True, slots=True)
class LadderRule:
    """One ladder in force from a day on; what each number means is said in the data file."""

    code: str
    vi: str
    en: str
    effective_from: date
    legal_source_vi: str
    legal_source_en: str
    one_for: str
    steps: tuple[Step, ...]
    again_minutes: int
    again_times: int
    nobody_minutes: int
    link_hours: int
    settled_by: tuple[str, ...]


class Ladders:
    """All ladders, past and present. Raises `ReferenceDataError` where one makes no sense."""

    def __init__(self, rules: Sequence[LadderRule]) -> None:
        self._rules: dict[str, list[LadderRule]] = {}
        for rule in in_order(rules):
            for problem in _problems(rule):
                raise ReferenceDataError(f"{_FILE}: {rule.code}, from {rule.effective_from}: {problem}")
            self._rules.setdefault(rule.code, []).append(rule)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls([_rule(row) for row in read_yaml(_FILE)])

    def on(self, code: str, day: date) -> LadderRule:
        """The ladder in force on a day. Raises `KeyError` for an unknown one."""
        return in_force(self._rules[code], day)

    def __getitem__(self, code: str) -> LadderRule:
        return self._rules[code][-1]

    def __contains__(self, code: object) -> bool:
        return code in self._rules

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)


def _rule(row: Mapping[str, Any]) -> LadderRule:
    try:
        steps = tuple(Step(**{**step, "channels": tuple(step["channels"])}) for step in row["steps"])
        return LadderRule(**{**row, "steps": steps, "settled_by": tuple(row["settled_by"])})
    except (TypeError, KeyError) as error:
        raise ReferenceDataError(f"{_FILE}: {row}: {error!r}") from None


def _problems(rule: LadderRule) -> Iterator[str]:
    if not (rule.vi and rule.en and rule.legal_source_vi and rule.legal_source_en):
        yield "needs a name and a source in both languages"
    if not rule.steps or rule.steps[0].after_minutes != 0:
        yield "the first step is called at once"
    if any(later.after_minutes <= earlier.after_minutes for earlier, later in pairwise(rule.steps)):
        yield "each step is later than the one before"
    for step in rule.steps:
        if step.role not in _ROLES or step.of not in _PLACES:
            yield f"a step calls {', '.join(_ROLES)} of unit or province"
        if "inbox" not in step.channels or not set(step.channels) <= set(get_args(LadderChannel)):
            yield f"channels are of {', '.join(get_args(LadderChannel))}, the inbox always among them"
    counts = (rule.again_minutes, rule.nobody_minutes, rule.link_hours)
    if min(counts) < 1 or rule.again_times < 0:
        yield "every number is at least 1, `again_times` at least 0"
    for name in rule.settled_by:
        if TYPE_PREFIX + name not in CONTRACTS:
            yield f"there is no event {name} by which it could be settled"
