"""Form 01 as people type it: read into the event that an agency would have sent, or refused beside each wrong field.

Nothing typed is dropped in silence: what cannot be understood is said, and the form comes back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from services.cases.forms import in_words, local_moment
from shared.contracts.agency import ConcernReported
from shared.contracts.errors import Rejected, Violation, violations_of
from shared.contracts.vocabulary import ChildDescription, Parent, Person, ReportDetails
from shared.reference.calendar import LOCAL
from shared.reference.units import UNCLASSIFIED, Units

M = TypeVar("M", bound=BaseModel)
MOST_CHILDREN = 21
_DATE = re.compile(r"(\d{1,2})[/.\-\s](\d{1,2})[/.\-\s](\d{4})|(\d{2})(\d{2})(\d{4})")
# So many communes are offered to choose from; a text that fits more names none.
_ASKED = 9
_LONGEST_NAME = 300
# What a further child has of its own; the rest of the form is about all of them.
_CHILD_FIELDS = ("name", "sex", "birth_date", "age", "number", "address", "school")


@dataclass(frozen=True, slots=True)
class Typed:
    """A form as it was submitted: texts by name, the chosen kinds, how many children it has places for."""

    values: Mapping[str, str]
    kinds: tuple[str, ...] = ()

    @classmethod
    def of(cls, texts: Mapping[str, Sequence[str]]) -> Typed:
        """From all texts of a submitted form or a draft."""
        values = {name: given[-1] for name, given in texts.items() if given}
        return cls(values, tuple(kind for kind in texts.get("kinds", ()) if kind))

    @property
    def children(self) -> int:
        """How many children the form has places for: 1 to 21."""
        said = self.values.get("children", "")
        number = int(said) if said.isdecimal() and len(said) < 5 else 1
        return max(1, min(number, MOST_CHILDREN))

    def with_child(self) -> Typed:
        """The form with a place for one child more. Raises `Rejected` (too-many-children)."""
        if self.children == MOST_CHILDREN:
            raise Rejected([_too_many()])
        return Typed({**self.values, "children": str(self.children + 1)}, self.kinds)

    def without_child(self, place: int) -> Typed:
        """The form without a further child (from 2 on); those after it move up."""
        if not 2 <= place <= self.children:
            return self
        values = {name: text for name, text in self.values.items() if not name.startswith("child") or "_" not in name}
        values |= {name: text for name, text in self.values.items() if name.startswith("child_")}
        for old in range(2, self.children + 1):
            new = old - (old > place)
            for name in _CHILD_FIELDS if old != place else ():
                if text := self.values.get(f"child{old}_{name}"):
                    values[f"child{new}_{name}"] = text
        return Typed({**values, "children": str(self.children - 1)}, self.kinds)


@dataclass(slots=True)
class _Wrong:
    """What is wrong so far, each with the name of its field in the form."""

    found: list[Violation] = field(default_factory=list)

    def say(self, name: str, rule: str, vi: str, en: str) -> None:
        self.found.append(Violation(name, rule, vi, en))

    def valid(self, model: type[M], data: Mapping[str, Any], names: Mapping[str, str]) -> M | None:
        """The model, or None and its violations beside the form's fields."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for known in in_words(violations_of(error, prefix="")):
                name = names.get(known.field.split(".")[0], known.field)
                self.say(name, known.rule, known.message_vi, known.message_en)
            return None


def report(typed: Typed, units: Units, now: datetime) -> ConcernReported:
    """The report. Raises `Rejected` with the form's own field names, all that is wrong at once."""
    form, wrong = typed.values, _Wrong()
    for name, text in form.items():
        if "\x00" in text:
            wrong.say(name, "nul-character", "Có ký tự không lưu được.", "It holds a character that cannot be stored.")
    asked = form.get("children", "")
    if asked.isdecimal() and (len(asked) > 4 or int(asked) > MOST_CHILDREN):
        wrong.found.append(_too_many())
    children = [_child(typed, place, now, wrong) for place in range(1, typed.children + 1)]
    first, more = children[0], [child or ChildDescription() for child in children[1:]]
    unit, place = _where(form, units, wrong)
    data = {
        "received_at": _received_at(form, wrong) or now,
        "channel": form.get("channel") or "other",
        "reporter": _reporter(form, wrong),
        "child": first or (ChildDescription() if more else None),
        "more_children": more or None,
        "what_happened": _text(form, "what_happened"),
        "unit": unit,
        "unit_text": place,
        "sex": form.get("sex") or "unknown",
        "age": first.age if first else None,
        "kinds": kinds_of(typed),
        "environment": form.get("environment") or None,
        "harmer": form.get("harmer") or None,
        "danger_now": form.get("danger_now") or "unknown",
        "measures_taken": _text(form, "measures_taken"),
        "details": _details(form, wrong),
        "request": form.get("request") or "protection",
    }
    if not data["what_happened"] and not any(children) and not data["details"]:
        wrong.say(
            "what_happened",
            "nothing-said",
            "Ghi ít nhất sự việc hoặc điều đã biết về trẻ.",
            "Write at least what happened, or something about the child.",
        )
    made = wrong.valid(ConcernReported, data, {})
    if wrong.found or made is None:
        raise Rejected(wrong.found)
    return made


def kinds_of(typed: Typed) -> list[str]:
    """The kinds, the main one first, each once."""
    main = typed.values.get("main_kind", "")
    return list(dict.fromkeys(kind for kind in (main, *typed.kinds) if kind))


def beside_fields(rejected: Rejected) -> list[Violation]:
    """The desk's refusals of a report with the form's own field names."""
    return [
        Violation(_form_name(known.field), known.rule, known.message_vi, known.message_en)
        for known in rejected.violations
    ]


def birth_date_of(text: str) -> date | None:
    """A day as people type it: 5/3/2016, 05032016, 2016-03-05; None where it is none."""
    text = text.strip()
    try:
        return date.fromisoformat(text) if len(text) == 10 and text[4] == "-" else _local_date(text)
    except ValueError:
        return None


def unit_of(text: str, units: Units) -> str | None:
    """The commune that somebody typed, by name with or without diacritics, a part of the name, or code; None where
    none or several fit."""
    meant = communes_meant(text.strip(), units)
    return meant[0] if len(meant) == 1 else None


def communes_meant(text: str, units: Units) -> tuple[str, ...]:
    """The communes that somebody may mean; none where so many fit that asking is no help."""
    meant = units.meant(text) if text and len(text) <= _LONGEST_NAME else ()
    return meant if len(meant) <= _ASKED else ()


def _local_date(text: str) -> date | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    day, month, year = (int(part) for part in found.groups() if part is not None)
    return date(year, month, day)


def _form_name(name: str) -> str:
    name = name.removeprefix("data.")
    return "main_kind" if name.startswith("kinds.") else name


def _text(form: Mapping[str, str], name: str) -> str | None:
    return form.get(name, "").strip() or None


def _too_many() -> Violation:
    return Violation(
        "children",
        "too-many-children",
        "Một báo tin ghi nhiều nhất 21 trẻ; ghi các trẻ còn lại vào báo tin khác.",
        "A report holds at most 21 children; write the others into another report.",
    )


def _received_at(form: Mapping[str, str], wrong: _Wrong) -> datetime | None:
    said = form.get("received_at", "").strip()
    moment = local_moment(said) if said else None
    if said and moment is None:
        wrong.say("received_at", "received-at-invalid", "Thời điểm chưa đúng.", "The time is not valid.")
    return moment


def _where(form: Mapping[str, str], units: Units, wrong: _Wrong) -> tuple[str | None, str | None]:
    """The commune and the place in words. What names no commune stands in the words, so that a report is always sent;
    of several that it may be, the sender is asked once."""
    said, words = form.get("unit", "").strip(), _text(form, "unit_text")
    if not said:
        return None, words
    meant = communes_meant(said, units)
    chosen = form.get("unit_choice", "") if form.get("unit_asked", "").strip() == said else ""
    if chosen in meant:
        return chosen, words
    if len(meant) == 1:
        return meant[0], words
    if meant and chosen != UNCLASSIFIED:
        names = ", ".join(units.name(code) for code in meant)
        wrong.say(
            "unit",
            "unit-ambiguous",
            f"Có nhiều xã, phường như vậy ({names}): chọn ở dưới, hoặc gửi lại khi chưa rõ.",
            f"Several communes are called so ({names}): choose below, or send again where it is not known.",
        )
    return None, said if words is None else f"{words} ({said})"


def _reporter(form: Mapping[str, str], wrong: _Wrong) -> Person | None:
    """Who reports: the name, phone and address only where they agree (Decree 56/2017, form 01)."""
    agrees = form.get("reporter_agrees") == "yes"
    values = {name: _text(form, f"reporter_{name}") for name in ("name", "phone", "address")}
    if not agrees:
        for name, text in values.items():
            if text:
                wrong.say(
                    f"reporter_{name}",
                    "reporter-not-agreed",
                    "Chỉ ghi khi người báo đồng ý: đánh dấu đồng ý, hoặc xóa mục này.",
                    "Only with the reporter's agreement: tick it, or empty this field.",
                )
    relation = _text(form, "relation")
    if not any(values.values()) and not relation:
        return None
    names = {name: f"reporter_{name}" for name in values} | {"relation": "relation"}
    return wrong.valid(Person, {**values, "relation": relation}, names)


def _details(form: Mapping[str, str], wrong: _Wrong) -> ReportDetails | None:
    parents: dict[str, Parent | None] = {}
    for who in ("father", "mother"):
        values = {name: _text(form, f"{who}_{name}") for name in ("name", "age", "job")}
        names = {name: f"{who}_{name}" for name in values}
        parents[who] = wrong.valid(Parent, values, names) if any(values.values()) else None
    texts = {name: _text(form, name) for name in ("condition", "consequence", "family", "notes")}
    if not any(texts.values()) and not any(parents.values()):
        return None
    return wrong.valid(ReportDetails, {**texts, **parents}, {})


def _child(typed: Typed, place: int, now: datetime, wrong: _Wrong) -> ChildDescription | None:
    """The child in a place of the form; None where nothing is known of it."""
    form, start = typed.values, "child_" if place == 1 else f"child{place}_"
    sex_field = "sex" if place == 1 else f"{start}sex"
    age = form.get(f"{start}age", "").strip()
    if age and not (age.isdecimal() and len(age) < 3 and int(age) <= 25):
        wrong.say(f"{start}age", "age", "Tuổi là số từ 0 đến 25.", "The age is a number from 0 to 25.")
        age = ""
    born = form.get(f"{start}birth_date", "").strip()
    birth_date = birth_date_of(born) if born else None
    if born and birth_date is None:
        wrong.say(
            f"{start}birth_date",
            "birth-date",
            "Ngày sinh ghi ngày/tháng/năm; chỉ biết năm thì ghi tuổi ước chừng.",
            "Write day/month/year; where only the year is known, write the estimated age.",
        )
    elif birth_date is not None and birth_date > now.astimezone(LOCAL).date():
        wrong.say(
            f"{start}birth_date", "birth-in-future", "Ngày sinh ở tương lai.", "The birth date lies in the future."
        )
    values: dict[str, Any] = {
        "name": _text(form, f"{start}name"),
        "birth_date": birth_date,
        "age": int(age) if age else None,
        "number": _text(form, f"{start}number"),
        "address": _text(form, f"{start}address"),
        "school": _text(form, f"{start}school"),
    }
    if place == 1:
        values["ethnicity"] = _text(form, "child_ethnicity")
        carer = {name: _text(form, f"carer_{name}") for name in ("name", "phone", "relation")}
        if any(carer.values()):
            made = wrong.valid(Person, carer, {name: f"carer_{name}" for name in carer})
            values["carers"] = [made] if made else []
    sex = form.get(sex_field) or "unknown"
    if not any(values.values()) and (place == 1 or sex == "unknown"):
        return None
    names = {name: f"{start}{name}" for name in (*values, "sex")} | {"sex": sex_field}
    return wrong.valid(ChildDescription, {**values, "sex": sex}, names)
