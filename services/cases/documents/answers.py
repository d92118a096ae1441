"""What was answered to a form, from a line of the timeline and its opened words, whichever edition wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.cases.store import Line
from shared.reference.forms import Form, FormField

# Lines that are forms; each says which, but for those that were written before they did.
_KINDS: Mapping[str, str] = {
    "risk.initial": "02",
    "risk.detailed": "03",
    "meeting.needs": "minutes-needs",
    "plan.drafted": "04",
    "plan.approved": "05",
    "review.held": "06",
    "emergency.decided": "07",
    "conference.held": "minutes-conference",
}
FORM_KINDS = tuple(_KINDS)
# The same, by form: which kind of line it is.
KIND_OF: Mapping[str, str] = {code: kind for kind, code in _KINDS.items()}
# What a form's question is called in lines that are not kept question by question.
_CALLED: Mapping[tuple[str, str], str] = {
    ("05", "grounds"): "remarks",
    ("06", "conclusion"): "findings",
    ("07", "grounds"): "decision",
    ("07", "measures"): "measure",
    ("minutes-conference", "attendees"): "people",
    ("minutes-conference", "opinions"): "minutes",
}
RATINGS = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as somebody filled it in.

    `edition`: the day from which the form's edition was in force; None where the line does not say. `data`, `words`:
    what the line says in clear and sealed, by name. `ratings`: by rated row.
    """

    code: str
    edition: date | None
    data: Mapping[str, Any]
    words: Mapping[str, Any]
    ratings: Mapping[str, str]

    def answer(self, question: FormField) -> Any:
        """What was answered: under the question's code, else under the name that the form's act has for it."""
        for name in _names(self.code, question):
            for said in (self.words, self.data):
                if said.get(name) not in (None, "", [], {}):
                    return said[name]
        return None

    def others(self, form: Form) -> dict[str, Any]:
        """What was written and is no answer to any question of the form."""
        asked = {name for question in form.fields for name in _names(self.code, question)}
        return {name: value for name, value in self.words.items() if name not in asked and value not in ("", [], {})}


def form_code(line: Line) -> str | None:
    """The number of the form that a line of the timeline is; None where it is none."""
    said = line.data.get("form")
    return str(said) if said else _KINDS.get(line.kind)


def filled_of(line: Line, words: Mapping[str, Any]) -> Filled | None:
    """In: a line and its opened words. Out: the form that it is, filled in; None where it is none."""
    code = form_code(line)
    if code is None:
        return None
    ratings = words.get("ratings")
    return Filled(
        code=code,
        edition=_day(line.data.get("form_of")),
        data=line.data,
        words={name: value for name, value in words.items() if name != "ratings" and value is not None},
        ratings={str(row): str(level) for row, level in ratings.items()} if isinstance(ratings, Mapping) else {},
    )


def _names(code: str, question: FormField) -> list[str]:
    """The names under which a question's answer may stand, the likeliest first; some were written with underscores."""
    names = [question.code, question.act, _CALLED.get((code, question.code))]
    known = [name for name in names if name]
    return [*known, *(name.replace("-", "_") for name in known if "-" in name)]


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
