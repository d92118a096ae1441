"""Clocks of the law that stand still, and run again."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, Code, MaybeWords, Words


class PauseDeadline(ActBase):
    """A clock stands still: `deadline` is its id, `reason` a code that its rule names."""

    act: Literal["pause-deadline"] = "pause-deadline"
    deadline: Code
    reason: Code
    words: Words


class ResumeDeadline(ActBase):
    """A clock that stands still runs again."""

    act: Literal["resume-deadline"] = "resume-deadline"
    deadline: Code
    words: MaybeWords = None
