"""From a submitted HTML form to an act or a report: names with dots nest, empty fields are left out.

Field names carry the act (`transfer.reason`), so that several forms live on one page; violations come back so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from services.cases.domain import acts
from services.cases.domain.acts import team
from shared.contracts.agency import ConcernReported
from shared.contracts.errors import Rejected, Violation, violations_of
from shared.contracts.vocabulary import ChildDescription, Person
from shared.reference.calendar import LOCAL

M = TypeVar("M", bound=BaseModel)
_CASE_ACTS: Mapping[str, type[BaseModel]] = {
    model.model_fields["act"].default: model for model in get_args(get_args(acts.Act)[0])
}
_CONCERN_ACTS: Mapping[str, type[BaseModel]] = {
    model.model_fields["act"].default: model for model in get_args(get_args(acts.ConcernAct)[0])
}
_TEAM_ACTS: Mapping[str, type[BaseModel]] = {
    model.model_fields["act"].default: model for model in get_args(get_args(team.TeamAct)[0])
}


def case_act(form: Mapping[str, str]) -> acts.Act:
    """The act that a form of the case page asks for. Raises `Rejected` with the form's own field names."""
    return acts.ACT.validate_python(_act(form, _CASE_ACTS).model_dump())


def team_act(form: Mapping[str, str]) -> team.TeamAct:
    """The act on the team or on access that a form asks for. Raises `Rejected` with the form's own field names."""
    return team.TEAM_ACT.validate_python(_act(form, _TEAM_ACTS).model_dump())


def concern_act(form: Mapping[str, str]) -> acts.ConcernAct:
    """The decision that a form of the report's page asks for. Raises `Rejected`."""
    return acts.CONCERN_ACT.validate_python(_act(form, _CONCERN_ACTS).model_dump())


def version_of(form: Mapping[str, str]) -> int:
    """The version that the form was made from; one that is missing fits nothing."""
    value = form.get("version", "")
    return int(value) if value.isdecimal() and len(value) < 10 else -1


def prefixed(rejected: Rejected, act: str) -> tuple[Violation, ...]:
    """The rules' refusals with the form's own field names."""
    return tuple(
        violation
        if "." in violation.field and violation.field.startswith(act)
        else Violation(f"{act}.{violation.field}", violation.rule, violation.message_vi, violation.message_en)
        for violation in rejected.violations
    )


def report(form: Mapping[str, str], kinds: list[str], now: datetime) -> ConcernReported:
    """Form 01 as the event that an agency would have sent. Raises `Rejected` with the form's own field names."""
    wrong: list[Violation] = []
    child = _child(form, wrong)
    reporter = _person(form, "reporter")
    received_at = _moment(form.get("received_at", ""), wrong) or now
    data = {
        "received_at": received_at,
        "channel": form.get("channel") or "other",
        "reporter": reporter,
        "relation": form.get("relation") or None,
        "child": child,
        "what_happened": form.get("what_happened") or None,
        "unit": form.get("unit") or None,
        "unit_text": form.get("unit_text") or None,
        "sex": form.get("sex") or "unknown",
        "age": child.age if child else None,
        "kinds": kinds,
        "danger_now": form.get("danger_now") or "unknown",
        "measures_taken": form.get("measures_taken") or None,
    }
    if not data["what_happened"] and child is None:
        wrong.append(
            Violation(
                "what_happened",
                "nothing-said",
                "Ghi ít nhất sự việc hoặc điều đã biết về trẻ.",
                "Write at least what happened, or something about the child.",
            )
        )
    if wrong:
        raise Rejected(wrong)
    return _valid(ConcernReported, data)


def local_moment(value: str, *, end_of_day: bool = False) -> datetime | None:
    """A date or a date and time as a browser's field gives it, here; None where it is no date."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=LOCAL)
    if end_of_day and len(value) <= len("2026-11-24"):
        return datetime.combine(moment.date() + timedelta(days=1), time(0), LOCAL) - timedelta(seconds=1)
    return moment


def _act(form: Mapping[str, str], models: Mapping[str, type[BaseModel]]) -> BaseModel:
    name = form.get("act", "")
    model = models.get(name)
    if model is None:
        raise Rejected([Violation("act", "act-unknown", "Chọn việc cần làm.", "Choose what to do.")])
    inputs: dict[str, Any] = {"act": name}
    for key, value in form.items():
        if not key.startswith(f"{name}.") or not value.strip():
            continue
        field, _, row = key.removeprefix(f"{name}.").partition(".")
        if row:
            inputs.setdefault(field, {})[row] = value
        else:
            inputs[field] = value
    if "ratings" in model.model_fields:
        inputs.setdefault("ratings", {})
    try:
        return model.model_validate(inputs)
    except ValidationError as error:
        raise Rejected(_in_words(violations_of(error, prefix=name))) from None


def _valid(model: type[M], data: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Rejected(_in_words(violations_of(error, prefix=""))) from None


def _in_words(violations: list[Violation]) -> list[Violation]:
    """For people the label stands beside the field: its technical name is left out of the sentence."""
    return [
        Violation(
            violation.field,
            violation.rule,
            violation.message_vi.replace(f"Trường «{violation.field}»", "Mục này"),
            violation.message_en.replace(f"Field «{violation.field}»", "This field"),
        )
        for violation in violations
    ]


def _person(form: Mapping[str, str], name: str) -> Person | None:
    values = {key: form.get(f"{name}_{key}") or None for key in ("name", "phone", "address", "relation")}
    return _valid(Person, values) if any(values.values()) else None


def _child(form: Mapping[str, str], wrong: list[Violation]) -> ChildDescription | None:
    age = form.get("child_age", "").strip()
    if age and not (age.isdecimal() and int(age) <= 25):
        wrong.append(Violation("child_age", "age", "Tuổi là số từ 0 đến 25.", "The age is a number from 0 to 25."))
        age = ""
    born = form.get("child_birth_date", "").strip()
    birth_date = _date(born)
    if born and birth_date is None:
        wrong.append(
            Violation("child_birth_date", "birth-date", "Ngày sinh chưa đúng.", "The birth date is not valid.")
        )
    carer = _person(form, "carer")
    values: dict[str, Any] = {
        "name": form.get("child_name") or None,
        "birth_date": birth_date,
        "age": int(age) if age else None,
        "ethnicity": form.get("child_ethnicity") or None,
        "address": form.get("child_address") or None,
        "school": form.get("child_school") or None,
        "carers": [carer] if carer else [],
    }
    if not any(values.values()):
        return None
    return _valid(ChildDescription, {**values, "sex": form.get("sex") or "unknown"})


def _date(value: str) -> date | None:
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return datetime.strptime(value, form).replace(tzinfo=LOCAL).date()
        except ValueError:
            continue
    return None


def _moment(value: str, wrong: list[Violation]) -> datetime | None:
    if not value.strip():
        return None
    moment = local_moment(value)
    if moment is None:
        wrong.append(Violation("received_at", "received-at-invalid", "Thời điểm chưa đúng.", "The time is not valid."))
    return moment
