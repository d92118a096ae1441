"""What statistics say: figures only, never anybody."""

from __future__ import annotations

from datetime import date

from pydantic import AwareDatetime

from shared.contracts.base import Contract, contract


@contract("stats.indicator.changed")
class IndicatorChanged(Contract):
    """The value of an indicator changed (at most one a second an indicator). `period`: of what time it is, the year so
    far; of what stands, its end is now."""

    indicator: str
    unit: str | None = None
    value: float
    as_of: AwareDatetime
    period: str | None = None


@contract("stats.target.missed")
class TargetMissed(Contract):
    """A target was not reached, or can be no more. Told once for each period. `unit` is empty for the province."""

    indicator: str
    unit: str | None = None
    period: str
    value: float
    target: float
    as_of: AwareDatetime


@contract("stats.surge.detected")
class SurgeDetected(Contract):
    """In the seven days up to `until` more happened in a commune than is usual there. Told once for each surge.

    `value`: how much. `usual`: how much seven days have. `level`: the most that comes by chance.
    """

    indicator: str
    unit: str
    until: date
    value: int
    usual: float
    level: float
    as_of: AwareDatetime


@contract("stats.sector.silent")
class SectorSilent(Contract):
    """A sector has not been heard of for much longer than usual. Told once for each silence."""

    sector: str
    last_heard: AwareDatetime
    usual_days: float
    as_of: AwareDatetime


@contract("stats.activity.recorded")
class ActivityRecorded(Contract):
    """A sector's activity was taken over (first time or corrected). `unit` is empty for the whole province."""

    activity_id: str
    activity: str
    audience: str
    unit: str
    sector: str
    held_on: date
    participants: int


@contract("stats.figure.recorded")
class FigureRecorded(Contract):
    """A sector's figure was taken over (first time or corrected). `unit` is empty for the whole province."""

    figure_id: str
    indicator: str
    unit: str
    period: str
    value: float
    sector: str


@contract("stats.period.closed")
class PeriodClosed(Contract):
    """A period's figures were frozen, numbered and signed. `digest`: SHA-256 of what was signed, in hexadecimal.

    It says nothing of the figures: partners hear it.
    """

    period: str
    number: str
    as_of: AwareDatetime
    digest: str


@contract("stats.period.revised")
class PeriodRevised(Contract):
    """A correction of a closed period: a further edition, with its reason. `reference`: an official letter's number."""

    period: str
    number: str
    revision: int
    reason: str
    reference: str = ""
    as_of: AwareDatetime
    digest: str
