"""What changed in a record, from each version to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.registry.domain.children.known import Known, changed_fields


@dataclass(frozen=True, slots=True)
class Revision:
    """A change: its number from 1, and what was known before it."""

    number: int
    at: datetime
    actor: str
    cause: str
    reason: str | None
    before: Known


@dataclass(frozen=True, slots=True)
class Change:
    """A change as people read it. `fields`: name, old, new; `begun`, `ended`: circumstances."""

    number: int
    at: datetime
    actor: str
    cause: str
    reason: str | None
    fields: tuple[tuple[str, Any, Any], ...]
    begun: tuple[str, ...]
    ended: tuple[str, ...]


def changes(revisions: Sequence[Revision], now: Known) -> list[Change]:
    """In: a record's changes, the newest first, and what is known now. Out: what each changed."""
    found: list[Change] = []
    after = now
    for revision in revisions:
        before = revision.before
        found.append(
            Change(
                number=revision.number,
                at=revision.at,
                actor=revision.actor,
                cause=revision.cause,
                reason=revision.reason,
                fields=tuple((name, before.shown(name), after.shown(name)) for name in changed_fields(before, after)),
                begun=tuple(sorted(set(after.circumstances) - set(before.circumstances))),
                ended=tuple(sorted(set(before.circumstances) - set(after.circumstances))),
            )
        )
        after = before
    return found
