"""What somebody is to do next: the acts that the law's clocks wait for, then those that the step is about.

Pure. It opens nothing: which acts are open is said in rules.py alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from services.cases.domain.model import (
    APPROVAL,
    BAN,
    BAN_DECISION,
    CARE_HANDOVER,
    CASE_HANDOVER,
    EMERGENCY,
    INITIAL,
    PLAN,
    SEPARATION,
    Actor,
    Case,
)
from services.cases.domain.rules import RULES, open_acts
from shared.contracts.cases import CaseStep

# Kind of clock -> the acts that it waits for, the likeliest first.
AWAITED: Final[Mapping[str, tuple[str, ...]]] = {
    INITIAL: ("assess-initial",),
    EMERGENCY: ("decide-emergency",),
    PLAN: ("draft-plan",),
    APPROVAL: ("approve-plan", "return-plan"),
    SEPARATION: ("end-separation", "extend-separation"),
    BAN_DECISION: ("decide-contact-ban",),
    BAN: ("end-contact-ban",),
    CARE_HANDOVER: ("hand-over-child",),
    CASE_HANDOVER: ("accept-handover", "decline-handover"),
}
STEPS: Final[Mapping[CaseStep, tuple[str, ...]]] = {
    "intake": ("verify", "assess-initial"),
    "assessment": ("verify", "assess-detailed", "draft-plan"),
    "plan": ("draft-plan",),
    "approval": ("approve-plan", "return-plan"),
    "carrying-out": ("hold-review", "request-task"),
    "review": ("close", "hold-review"),
    "closed": ("reopen",),
    "merged": (),
}


def next_acts(case: Case, actor: Actor, most: int = 2) -> list[str]:
    """The acts open to the actor that come first now, at most `most`: by clock, the soonest first; then by step."""
    running = sorted((clock for clock in case.clocks if clock.runs), key=lambda clock: clock.due)
    wanted = _in_order(case.step, case.identity, case.verified, [clock.kind for clock in running])
    able = set(open_acts(case, actor))
    return [act for act in wanted if act in able][:most]


def likely_act(role: str, step: CaseStep, identity: str, verified: bool | None, clocks: Sequence[str]) -> str | None:
    """Of a line of a list: the act that its case waits for from this role, None where it waits for another's.

    In: the running clocks' kinds, the soonest first. The case's page asks the rules; a list need not load the case.
    """
    return next(
        (
            act
            for act in _in_order(step, identity, verified, clocks)
            if act in RULES and role in RULES[act].roles and step in RULES[act].steps
        ),
        None,
    )


def clock_of(act: str, clocks: Sequence[str]) -> int | None:
    """Of the running clocks' kinds, the soonest first: the place of the one that waits for the act; None where none
    does."""
    return next((place for place, kind in enumerate(clocks) if act in AWAITED.get(kind, ())), None)


def _in_order(step: CaseStep, identity: str, verified: bool | None, clocks: Iterable[str]) -> list[str]:
    by_clock = [act for kind in clocks for act in AWAITED.get(kind, ())]
    choosing = ["choose-child"] if identity == "candidates" else []
    by_step = [act for act in STEPS.get(step, ()) if act != "verify" or verified is None]
    return list(dict.fromkeys([*by_clock, *choosing, *by_step]))
