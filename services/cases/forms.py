"""From a submitted HTML form to an act: names with dots nest, empty fields are left out.

Field names carry the act (`transfer.reason`), so that several forms live on one page; violations come back so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from services.cases import filling
from services.cases.domain import acts
from services.cases.domain.acts import team
from shared.contracts.errors import Rejected, Violation, violations_of
from shared.reference.calendar import LOCAL

CASE_ACTS: Mapping[str, type[BaseModel]] = {
    model.model_fields["act"].default: model for model in get_args(get_args(acts.Act)[0])
}
_CONCERN_ACTS: Mapping[str, type[BaseModel]] = {
    model.model_fields["act"].default: model for model in get_args(get_args(acts.ConcernAct)[0])
}
_TEAM_ACTS: Mapping[str, type[BaseModel]] = {
    model.model_fields["act"].default: model for model in get_args(get_args(team.TeamAct)[0])
}


def case_act(form: Mapping[str, str], today: date) -> acts.Act:
    """The act that a form of the case page asks for. Raises `Rejected` with the form's own field names."""
    name = form.get("act", "")
    asked = filling.edition(name, form, today)
    model = CASE_ACTS.get(name)
    if asked is None or model is None:
        return acts.ACT.validate_python(_act(form, CASE_ACTS).model_dump())
    try:
        return acts.ACT.validate_python(filling.act_inputs(asked, name, form))
    except ValidationError as error:
        # The form's own words where it has them: they name what is asked.
        said = filling.given(asked, name, filling.tidied(asked, name, form)).faults(asked, name)
        known = {violation.field for violation in said}
        others = [violation for violation in violations_of(error, prefix="") if violation.field not in known]
        raise Rejected([*said, *in_words(others)]) from None


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
    try:
        return model.model_validate(inputs)
    except ValidationError as error:
        raise Rejected(in_words(violations_of(error, prefix=name))) from None


def in_words(violations: list[Violation]) -> list[Violation]:
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
