"""Which patterns cover which event types, and which types are the house's own affair."""

from __future__ import annotations

from collections.abc import Collection

# What concerns the people of a case team alone: told in the app, passed on to nobody.
_INTERNAL = ("cases.team.", "cases.access.", "cases.case.assigned")


def is_internal(event_type: str) -> bool:
    """Whether an event type is the house's own affair, for which nobody can subscribe."""
    return event_type.startswith(_INTERNAL)


def candidates(event_type: str) -> list[str]:
    """Every pattern that matches a type: itself, each of its beginnings with `.*`, and `*`."""
    parts = event_type.split(".")
    return ["*", *(".".join([*parts[:end], "*"]) for end in range(1, len(parts))), event_type]


def matches(pattern: str, event_type: str) -> bool:
    """Whether a pattern covers an event type."""
    return pattern in candidates(event_type)


def concerns(units: Collection[str] | None, unit: str | None, places: Collection[str] | None) -> bool:
    """Whether what happened concerns communes that somebody asked for; None: all. In: the commune that it is of, and
    those that it concerns besides; None: every one."""
    return units is None or unit in units or places is None or not set(places).isdisjoint(units)
