"""The circumstances that a child can be in: the groups of the law, then the flags, as reference data lists them."""

from __future__ import annotations

from typing import Final

from shared.reference.terms import Terms

_LISTS: Final = ("circumstances", "flags")


def codes() -> tuple[str, ...]:
    """Those that can be told of today, in the lists' order."""
    return tuple(code for name in _LISTS for code in Terms.load(name).codes())


def is_listed(code: str) -> bool:
    """Whether some list has it, be it one that ended."""
    return any(code in Terms.load(name) for name in _LISTS)


def label(code: str, language: str = "vi") -> str:
    """What it is called, a group with its number as the law has it."""
    groups, flags = (Terms.load(name) for name in _LISTS)
    return f"{code}. {groups.label(code, language)}" if code in groups else flags.label(code, language)
