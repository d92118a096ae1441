"""What is asked of sectors."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, Code, MaybeWords, Words
from shared.contracts.vocabulary import Day, Sector


class RequestTask(ActBase):
    """A sector is asked to do something."""

    act: Literal["request-task"] = "request-task"
    kind: Code
    sector: Sector
    due: Day
    instructions: MaybeWords = None


class CancelTask(ActBase):
    """What was asked of a sector is needed no more."""

    act: Literal["cancel-task"] = "cancel-task"
    task_id: Code
    reason: Words
