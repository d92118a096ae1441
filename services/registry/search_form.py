"""From what people type to what is looked for, every mistake said beside its field; and on to a new child's form."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Final, get_args

from services.registry.domain import circumstances
from services.registry.domain.dates import read_day
from services.registry.domain.searching import NUMBER_DIGITS, Wanted
from services.registry.forms import bad_date
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import RecordState

# The fields of the form, and those that fold away until they are used.
FIELDS: Final = ("name", "born", "carer")
FURTHER: Final = ("number", "household", "school", "grade", "hamlet", "circumstance", "state")
_LONGEST: Final = 300
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_DATE: Final = re.compile(r"(?<!\d)(?:\d{1,2}[/.\-]\d{1,2}[/.\-]\d{4}|\d{4}-\d{2}-\d{2})(?!\d)")
_DIGITS: Final = re.compile(rf"(?<!\d)\d{{{NUMBER_DIGITS},12}}(?!\d)")
_LONE_YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


def typed(values: Mapping[str, str]) -> dict[str, str]:
    """What a form holds, as it is carried on, saved and shown again: known fields alone, a choice of the counts taken
    over, and what stands in the first field beside a name in its own place."""
    said = {name: " ".join(values.get(name, "").split())[:_LONGEST] for name in (*FIELDS, *FURTHER, "unit")}
    for name in ("unit", "born"):
        said[name] = " ".join(values.get(f"narrow_{name}", "").split())[:_LONGEST] or said[name]
    for place, pattern in (("born", _DATE), ("number", _DIGITS), ("born", _LONE_YEAR)):
        found = pattern.search(said["name"])
        if found is not None and not said[place]:
            said[place] = found.group()
            said["name"] = " ".join((said["name"][: found.start()] + said["name"][found.end() :]).split())
    return {name: value for name, value in said.items() if value}


def read(said: Mapping[str, str], units: Collection[str]) -> Wanted:
    """What somebody looks for, from what `typed` gave. `units`: the communes there are. Raises `Rejected`."""
    wrong: list[Violation] = []
    day, year = _born(said.get("born", ""), wrong)
    number = re.sub(r"\D", "", said.get("number", ""))
    if said.get("number") and len(number) < NUMBER_DIGITS:
        wrong.append(_NUMBER_SHORT)
    if (circumstance := said.get("circumstance", "")) and circumstance not in circumstances.codes():
        wrong.append(_not_listed("circumstance"))
    if (state := said.get("state", "")) and state not in get_args(RecordState):
        wrong.append(_not_listed("state"))
    wanted = Wanted(
        name=said.get("name", ""),
        carer=said.get("carer", ""),
        birth_date=day,
        birth_year=year,
        units=[said["unit"]] if said.get("unit") in units else None,
        number=number[-12:],
        household=said.get("household", ""),
        school=said.get("school", ""),
        grade=said.get("grade", ""),
        hamlet=said.get("hamlet", ""),
        circumstance=circumstance,
        state=next((known for known in get_args(RecordState) if known == state), None),
    )
    if not wrong and not wanted.fields:
        wrong.append(_EMPTY)
    if wrong:
        raise Rejected(wrong)
    return wanted


def as_new_child(said: Mapping[str, str]) -> dict[str, str]:
    """What was looked for in vain, as the form of a new child begins with it."""
    values = {name: said[name] for name in ("name", "household", "school", "grade", "hamlet", "unit") if name in said}
    if len(said.get("number", "")) == 12:
        values["number"] = said["number"]
    if "born" in said:
        values["birth_date"] = said["born"]
    if "carer" in said:
        values["carer1_name"] = said["carer"]
    return values


def _born(born: str, wrong: list[Violation]) -> tuple[date | None, int | None]:
    if _YEAR.fullmatch(born):
        return None, int(born)
    if born:
        try:
            return read_day(born), None
        except ValueError:
            wrong.append(bad_date("born"))
    return None, None


def _not_listed(field: str) -> Violation:
    return Violation(field, f"{field}-unknown", "Mục này không có trong danh mục.", "This is not in the list.")


_NUMBER_SHORT = Violation(
    "number",
    "number-short",
    "Ghi đủ 12 chữ số, hoặc ít nhất 6 chữ số cuối.",
    "Write all 12 digits, or at least the last 6.",
)
_EMPTY = Violation(
    "name",
    "search-empty",
    "Hãy ghi ít nhất một điều: tên, ngày sinh, người chăm sóc, số định danh, trường, thôn hoặc hoàn cảnh.",
    "Write at least one thing: a name, a birth date, a carer, a number, a school, a hamlet or a circumstance.",
)
