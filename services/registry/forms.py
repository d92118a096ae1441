"""From what people type to a description of a child, every mistake said beside its field; and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pydantic import ValidationError

from services.registry.store.finding import Wanted
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import ChildDescription, Person
from shared.reference.terms import Terms
from shared.web.i18n import format_date

CARERS: Final = 3
_DATE: Final = re.compile(r"(\d{1,2})[/.\- ](\d{1,2})[/.\- ](\d{4})")
_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_TEXTS: Final = ("name", "ethnicity", "number", "address", "hamlet", "school", "grade")


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was sent, for showing it again."""

    values: Mapping[str, str]
    description: ChildDescription
    unit: str | None


def parse_date(value: str) -> date:
    """dd/mm/yyyy as people write it, or ISO. Raises ValueError."""
    value = value.strip()
    if match := _ISO.fullmatch(value):
        return date(*map(int, match.groups()))
    if match := _DATE.fullmatch(value):
        day, month, year = map(int, match.groups())
        return date(year, month, day)
    raise ValueError("no date")


def bad_date(field: str) -> Violation:
    """What is said of a date that is none."""
    return Violation(
        field,
        f"{field}-invalid".replace("_", "-"),
        "Ngày không hợp lệ. Ghi ngày/tháng/năm, ví dụ 05/09/2016.",
        "This is no date. Write day/month/year, such as 05/09/2016.",
    )


def read_date(values: Mapping[str, str], field: str) -> date:
    """A date that must be there. Raises `Rejected`."""
    try:
        return parse_date(values.get(field, ""))
    except ValueError:
        raise Rejected([bad_date(field)]) from None


def read_child(values: Mapping[str, str], unit: str | None) -> Filled:
    """The description a form holds. Raises `Rejected` with every mistake."""
    wrong: list[Violation] = []
    said: dict[str, Any] = {name: " ".join(values.get(name, "").split()) or None for name in _TEXTS}
    said["sex"] = values.get("sex") or "unknown"
    if values.get("birth_date", "").strip():
        try:
            said["birth_date"] = parse_date(values["birth_date"])
        except ValueError:
            wrong.append(bad_date("birth_date"))
    elif age := values.get("age", "").strip():
        if age.isdigit() and int(age) <= 25:
            said["age"] = int(age)
        else:
            wrong.append(
                Violation(
                    "age",
                    "age-invalid",
                    "Tuổi phải là số tròn năm, ví dụ 7.",
                    "The age must be a whole number of years, such as 7.",
                )
            )
    number = "".join((said["number"] or "").split())
    if number and not re.fullmatch(r"\d{12}", number):
        wrong.append(
            Violation(
                "number",
                "number-invalid",
                "Số định danh cá nhân gồm đúng 12 chữ số.",
                "A personal number has exactly 12 digits.",
            )
        )
    said["number"] = number or None
    said["carers"] = _carers(values)
    try:
        description = ChildDescription.model_validate(said)
    except ValidationError as error:
        wrong += [_not_valid(str(item["loc"][0])) for item in error.errors(include_input=False)]
    if wrong:
        raise Rejected(wrong)
    return Filled(values, description, unit)


def _carers(values: Mapping[str, str]) -> list[Person]:
    found = []
    for place in range(1, CARERS + 1):
        said = {part: values.get(f"carer{place}_{part}", "").strip()[:300] for part in ("name", "relation", "phone")}
        if said["name"]:
            found.append(Person(**said))
    return found


def _not_valid(field: str) -> Violation:
    return Violation(field, f"{field}-invalid", "Mục này chưa hợp lệ hoặc quá dài.", "This is not valid or too long.")


def values_of(description: ChildDescription) -> dict[str, str]:
    """A description as a form shows it."""
    values = {name: getattr(description, name) or "" for name in _TEXTS}
    values["sex"] = description.sex
    values["birth_date"] = format_date(description.birth_date)
    values["age"] = "" if description.age is None else str(description.age)
    for place, carer in enumerate(description.carers[:CARERS], start=1):
        for part in ("name", "relation", "phone"):
            values[f"carer{place}_{part}"] = getattr(carer, part) or ""
    return values


def keep_carers(known: ChildDescription, wanted: ChildDescription) -> ChildDescription:
    """Carers beyond those the form has room for stay as they are."""
    return wanted.model_copy(update={"carers": [*wanted.carers, *known.carers[CARERS:]]})


def read_reason(values: Mapping[str, str]) -> str:
    """Why something is changed: a code of the list, and words where there are any. Raises `Rejected`."""
    reasons = Terms.load("correction-reasons")
    code, words = values.get("reason", ""), " ".join(values.get("reason_words", "").split())
    if code not in reasons.codes():
        raise Rejected([Violation("reason", "reason-missing", "Hãy chọn lý do sửa.", "Choose why this is corrected.")])
    if reasons.get(code, "words") and not words:
        raise Rejected(
            [Violation("reason_words", "reason-words-missing", "Hãy ghi rõ lý do.", "Say what the reason is.")]
        )
    return f"{code}: {words}" if words else code


def not_clearable(known: ChildDescription, wanted: ChildDescription) -> list[Violation]:
    """What a record cannot be without: a name, and a birth date or an age."""
    wrong = [] if wanted.name or not known.name else ["name"]
    dated = known.birth_date is not None or known.age is not None
    if dated and wanted.birth_date is None and wanted.age is None:
        wrong.append("birth_date")
    return [
        Violation(
            name,
            "not-clearable",
            "Không thể để trống mục này. Hãy ghi thông tin đúng.",
            "This cannot be emptied. Write what is right instead.",
        )
        for name in wrong
    ]


def read_search(values: Mapping[str, str], units: list[str] | None) -> Wanted:
    """What somebody looks for. `born`: a date or a year. Raises `Rejected`."""
    born = values.get("born", "").strip()
    day: date | None = None
    year: int | None = None
    if re.fullmatch(r"(19|20)\d\d", born):
        year = int(born)
    elif born:
        try:
            day = parse_date(born)
        except ValueError:
            raise Rejected([bad_date("born")]) from None
    name, carer = values.get("name", "")[:300], values.get("carer", "")[:300]
    wanted = Wanted(name=name, carer=carer, birth_date=day, birth_year=year, units=units)
    if not wanted.fields:
        raise Rejected(
            [
                Violation(
                    "name",
                    "search-empty",
                    "Hãy ghi ít nhất tên, ngày sinh hoặc người chăm sóc.",
                    "Write at least a name, a birth date or a carer.",
                )
            ]
        )
    return wanted
