"""What statistics say: figures only, never anybody."""

from __future__ import annotations

from pydantic import AwareDatetime

from shared.contracts.base import Contract, contract


@contract("stats.indicator.changed")
class IndicatorChanged(Contract):
    """The shown value of a figure changed (at most one a second an indicator)."""

    indicator: str
    unit: str | None = None
    value: float
    as_of: AwareDatetime
