"""Facts verified, risk assessed, and what protects the child at once."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.base import contract
from shared.contracts.cases.facts import CaseEvent
from shared.contracts.vocabulary import RiskLevel


@contract("cases.facts.verified")
class FactsVerified(CaseEvent):
    """Truth, safety and risk were checked (Decree 56/2017, Art. 25(2))."""

    confirmed: bool


@contract("cases.risk.assessed")
class RiskAssessed(CaseEvent):
    """An assessment (form 02 initial, form 03 detailed) was completed."""

    assessment: Literal["initial", "detailed"]
    level: RiskLevel


@contract("cases.emergency.measure.decided")
class EmergencyMeasureDecided(CaseEvent):
    """Emergency protection was decided (Decree 56/2017, Art. 26(3), 31; form 07)."""

    measure: str


@contract("cases.separation.decided")
class SeparationDecided(CaseEvent):
    """The child is kept apart from who harms it (Decree 56/2017, Art. 32; form 07), until `until` at most."""

    until: AwareDatetime


@contract("cases.separation.extended")
class SeparationExtended(CaseEvent):
    """The competent authority requires the separation to last longer, until `until`."""

    until: AwareDatetime


@contract("cases.separation.ended")
class SeparationEnded(CaseEvent):
    """The separation is over."""


@contract("cases.contact-ban.requested")
class ContactBanRequested(CaseEvent):
    """A ban on contact with who harms the child was asked for (Law 13/2022 on domestic violence)."""


@contract("cases.contact-ban.decided")
class ContactBanDecided(CaseEvent):
    """The chair granted the ban, until `until`, or refused it with a reason that is in the case file."""

    granted: bool
    until: AwareDatetime | None = None


@contract("cases.contact-ban.ended")
class ContactBanEnded(CaseEvent):
    """The ban is over: its days have passed, or it was lifted."""
