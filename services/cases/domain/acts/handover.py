"""The commune where it happened offers the case to the one where the child lives."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, Code, MaybeWords, Words


class OfferHandover(ActBase):
    """Another commune is asked to lead; this one leads until it takes the case."""

    act: Literal["offer-handover"] = "offer-handover"
    to_unit: Code
    reason: Words


class AcceptHandover(ActBase):
    """The other commune leads from now."""

    act: Literal["accept-handover"] = "accept-handover"
    remarks: MaybeWords = None


class DeclineHandover(ActBase):
    """The other commune does not take the case, and says why."""

    act: Literal["decline-handover"] = "decline-handover"
    reason: Words


class WithdrawHandover(ActBase):
    """The offer is taken back."""

    act: Literal["withdraw-handover"] = "withdraw-handover"
    reason: Words
