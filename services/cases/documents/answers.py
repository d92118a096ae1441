"""What was answered to a form, from a line of the timeline and its opened words, whichever edition wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.cases.store import Line

# Lines that are forms, where they do not say so themselves.
_KINDS: Mapping[str, str] = {
    "risk.initial": "02",
    "risk.detailed": "03",
    "plan.drafted": "04",
    "plan.approved": "05",
    "review.held": "06",
    "emergency.decided": "07",
}
# What a form's question was called in lines that were written before forms were kept question by question.
_CALLED: Mapping[str, Mapping[str, str]] = {
    "05": {"remarks": "grounds"},
    "06": {"findings": "conclusion"},
    "07": {"decision": "grounds", "measure": "measures", "due": "separated-until"},
}
# Of a line's coarse data, what is no answer: which form it is, and the totals, which the rows give again.
_NO_ANSWERS = frozenset({"form", "form-of", "suggested", "harm", "protection", "version"})
RATINGS = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as somebody filled it in.

    `edition`: the day from which the form's edition was in force; None where the line does not say. `values`: answers
    by question. `said`: those of them that somebody typed. `ratings`: by rated row.
    """

    code: str
    edition: date | None
    values: Mapping[str, Any]
    said: frozenset[str]
    ratings: Mapping[str, str]


def form_code(line: Line) -> str | None:
    """The number of the form that a line of the timeline is; None where it is none."""
    said = line.data.get("form")
    if said:
        return str(said)
    meeting = line.data.get("meeting")
    return f"minutes-{meeting}" if line.kind == "meeting.held" and meeting else _KINDS.get(line.kind)


def filled_of(line: Line, words: Mapping[str, Any]) -> Filled | None:
    """In: a line and its opened words. Out: the form that it is, filled in; None where it is none."""
    code = form_code(line)
    if code is None:
        return None
    values: dict[str, Any] = {}
    for name, value in {**line.data, **words}.items():
        key = _question(code, name, words)
        if key not in _NO_ANSWERS and value not in (None, "", [], {}):
            values[key] = value
    ratings = values.pop("ratings", {})
    return Filled(
        code=code,
        edition=_day(line.data.get("form_of")),
        values=values,
        said=frozenset(_question(code, name, words) for name in words),
        ratings={str(row): str(level) for row, level in ratings.items()} if isinstance(ratings, Mapping) else {},
    )


def _question(code: str, name: str, words: Mapping[str, Any]) -> str:
    """The question that an answer's name stands for, unless that question was answered under its own name too."""
    key = name.replace("_", "-")
    today = _CALLED.get(code, {}).get(key, key)
    return key if today != key and today in words else today


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
