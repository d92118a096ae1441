"""From what people type to a description of a child, every mistake said beside its field; and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pydantic import ValidationError

from services.registry.domain.dates import read_birth, read_day, written_birth
from services.registry.domain.warnings import coded
from services.registry.office import Begun
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import ChildDescription, Person, Stay
from shared.reference.terms import Terms
from shared.web.forms import number_in
from shared.web.i18n import format_date

# A form shows a line for each carer and as many more as are asked for; a record holds no more.
CARERS: Final = 20
_CARER_PARTS: Final = ("name", "relation", "phone", "address")
_TEXTS: Final = (
    "name",
    "ethnicity",
    "number",
    "birth_place",
    "birth_certificate",
    "health_insurance",
    "address",
    "hamlet",
    "household",
    "school",
    "grade",
)


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was sent, for showing it again."""

    values: Mapping[str, str]
    description: ChildDescription
    unit: str | None


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
        return read_day(values.get(field, ""))
    except ValueError:
        raise Rejected([bad_date(field)]) from None


def read_child(values: Mapping[str, str], unit: str | None) -> Filled:
    """The description a form holds. Raises `Rejected` with every mistake."""
    wrong: list[Violation] = []
    said: dict[str, Any] = {name: " ".join(values.get(name, "").split()) or None for name in _TEXTS}
    said["sex"] = values.get("sex") or "unknown"
    said["number"] = "".join((said["number"] or "").split()) or None
    said["health"] = values.get("health", "").strip() or None
    said |= _born(values, wrong)
    said["disability_kinds"] = [
        code for code in Terms.load("disability-kinds").codes() if values.get(f"disability_{code}")
    ]
    said["disability_level"] = values.get("disability_level") or None
    said["ethnicity_code"], said["ethnicity_list"] = None, None
    said["carers"] = _carers(values)
    try:
        said["stay"] = _stay(values, wrong)
        description = coded(ChildDescription.model_validate(said))
    except ValidationError as error:
        wrong += [_not_valid(str(item["loc"][0])) for item in error.errors(include_input=False)]
    if wrong:
        raise Rejected(wrong)
    return Filled(values, description, unit)


def _born(values: Mapping[str, str], wrong: list[Violation]) -> dict[str, Any]:
    said: dict[str, Any] = {"birth_date": None, "birth_precision": None, "age": None}
    if values.get("birth_date", "").strip():
        try:
            said["birth_date"], said["birth_precision"] = read_birth(values["birth_date"])
        except ValueError:
            wrong.append(
                Violation(
                    "birth_date",
                    "birth-date-invalid",
                    "Ngày sinh không hợp lệ. Ghi ngày/tháng/năm, hoặc tháng/năm, hoặc chỉ năm sinh.",
                    "This is no birth date. Write day/month/year, or month/year, or the year alone.",
                )
            )
    elif age := values.get("age", "").strip():
        if (years := number_in(age, 2)) is not None and years <= 25:
            said["age"] = years
        else:
            wrong.append(
                Violation(
                    "age",
                    "age-invalid",
                    "Tuổi phải là số tròn năm, ví dụ 7.",
                    "The age must be a whole number of years, such as 7.",
                )
            )
    return said


def _stay(values: Mapping[str, str], wrong: list[Violation]) -> Stay | None:
    said: dict[str, Any] = {
        name: " ".join(values.get(f"stay_{name}", "").split()) or None for name in ("unit", "address", "hamlet")
    }
    if since := values.get("stay_since", "").strip():
        try:
            said["since"] = read_day(since)
        except ValueError:
            wrong.append(bad_date("stay_since"))
    return Stay(**said) if any(said.values()) else None


def carer_lines(values: Mapping[str, str]) -> int:
    """How many lines for carers a form shows: those that are filled, and what was asked for; at least two."""
    asked = number_in(values.get("carers", ""), 2) or 0
    filled = max(
        (place for place in range(1, CARERS + 1) if any(values.get(f"carer{place}_{part}") for part in _CARER_PARTS)),
        default=0,
    )
    return min(CARERS, max(2, filled, asked))


def _carers(values: Mapping[str, str]) -> list[Person]:
    found = []
    for place in range(1, CARERS + 1):
        said = {part: values.get(f"carer{place}_{part}", "").strip()[:300] for part in _CARER_PARTS}
        if any(said.values()):
            found.append(Person(**said))
    return found


def _not_valid(field: str) -> Violation:
    return Violation(field, f"{field}-invalid", "Mục này chưa hợp lệ hoặc quá dài.", "This is not valid or too long.")


def values_of(description: ChildDescription) -> dict[str, str]:
    """A description as a form shows it."""
    values = {name: getattr(description, name) or "" for name in (*_TEXTS, "health", "disability_level")}
    values["sex"] = description.sex
    values["birth_date"] = written_birth(description)
    values["age"] = "" if description.age is None else str(description.age)
    values |= {f"disability_{code}": "1" for code in description.disability_kinds}
    if stay := description.stay:
        values |= {f"stay_{name}": getattr(stay, name) or "" for name in ("unit", "address", "hamlet")}
        values["stay_since"] = format_date(stay.since) if stay.since else ""
    for place, carer in enumerate(description.carers, start=1):
        for part in _CARER_PARTS:
            values[f"carer{place}_{part}"] = getattr(carer, part) or ""
    return values


def as_known(known: ChildDescription, wanted: ChildDescription) -> ChildDescription:
    """What a form cannot say otherwise than it is known is as it is known: codes beside words, a day known as a day."""
    same: dict[str, Any] = {}
    if wanted.ethnicity == known.ethnicity:
        same |= {"ethnicity_code": known.ethnicity_code, "ethnicity_list": known.ethnicity_list}
    if wanted.birth_date == known.birth_date and {wanted.birth_precision, known.birth_precision} == {None, "day"}:
        same["birth_precision"] = known.birth_precision
    return wanted.model_copy(update=same)


def read_reason(values: Mapping[str, str]) -> str:
    """Why something is changed: a code of the list, and words where there are any. Raises `Rejected`."""
    reasons = Terms.load("correction-reasons")
    code, words = values.get("reason", ""), " ".join(values.get("reason_words", "").split())
    if code not in reasons.offered():
        raise Rejected([Violation("reason", "reason-missing", "Hãy chọn lý do sửa.", "Choose why this is corrected.")])
    if reasons.get(code, "words") and not words:
        raise Rejected(
            [Violation("reason_words", "reason-words-missing", "Hãy ghi rõ lý do.", "Say what the reason is.")]
        )
    return f"{code}: {words}" if words else code


def read_begun(values: Mapping[str, str]) -> Begun:
    """A circumstance that begins; the choice is a group, a flag, or a sub-group of a group. Raises `Rejected`."""
    since = read_date(values, "since")
    chosen = values.get("circumstance", "")
    subgroups = Terms.load("circumstance-subgroups")
    subgroup = chosen if chosen in subgroups else None
    kind = values.get("evidence_kind", "")
    return Begun(
        code=str(subgroups.get(chosen, "group")) if subgroup else chosen,
        since=since,
        subgroup=subgroup,
        evidence_kind=kind if kind in Terms.load("evidence-kinds") else None,
        evidence=" ".join(values.get("evidence", "").split())[:300] or None,
    )


def read_end(values: Mapping[str, str]) -> str:
    """Why a circumstance ends. Raises `Rejected`."""
    code = values.get("end_reason", "")
    if code not in Terms.load("circumstance-ends").codes():
        raise Rejected(
            [Violation("end_reason", "end-reason-missing", "Hãy chọn vì sao kết thúc.", "Choose why it ends.")]
        )
    return code


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
