"""Between a page's flat texts and a form's answers: names with dots nest, rows are numbered, a tick is `true`.

`assess-detailed.level`, `assess-detailed.ratings.severity`, `assess-detailed.answers.health`,
`draft-plan.services.0.kind`, `decide-emergency.further.safe-place`: what is not listed here is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydantic import BaseModel

from services.cases.domain.acts import FormAct
from services.cases.domain.forms import checked, missing, unrated
from shared.contracts.errors import Violation
from shared.reference.files import ReferenceDataError
from shared.reference.forms import Form, FormField, Forms
from shared.reference.terms import answers_in

_MOST_ROWS = 60
_TICKED = "true"


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody has filled in so far, by field code, before anything is checked."""

    answers: Mapping[str, Any] = field(default_factory=dict)
    ratings: Mapping[str, str] = field(default_factory=dict)

    def faults(self, form: Form, act: str) -> list[Violation]:
        """What is wrong with it, under the page's own names."""
        violations = [*unrated(form, self.ratings)]
        checked(form, self.answers, answers_in, violations)
        return [
            Violation(f"{act}.{known.field}", known.rule, known.message_vi, known.message_en) for known in violations
        ]

    def missing(self, form: Form, act: str, language: str) -> list[tuple[str, str]]:
        """What is still needed: the page's name of the field, and its label."""
        lacking = missing(form, self.answers, self.ratings)
        return [(f"{act}.{known.name}", known.label(language)) for known in lacking]


def edition(act: str, values: Mapping[str, str], today: date) -> Form | None:
    """The edition of an act's form that the values were begun with, else the one in force; None: it has no form."""
    forms = Forms.load()
    code = forms.of_act(act)
    if code is None:
        return None
    try:
        begun = forms.edition(code, date.fromisoformat(values.get(f"{act}.form_of", "")))
    except ValueError:
        begun = None
    return begun if begun is not None and begun.effective_from <= today else forms.form(code, today)


def given(form: Form, act: str, values: Mapping[str, str]) -> Given:
    """The flat values of a page as answers."""
    nest = _nested(act, values)
    inner = nest.get("answers")
    answers = inner if isinstance(inner, dict) else {}
    read = {
        asked.code: _shaped(asked, nest.get(asked.act) if asked.act else answers.get(asked.code))
        for asked in form.fields
    }
    ratings = nest.get("ratings")
    return Given(
        {code: value for code, value in read.items() if value is not None},
        {row: rating for row, rating in ratings.items() if isinstance(rating, str)}
        if isinstance(ratings, dict)
        else {},
    )


def flat(form: Form, act: str, answers: Mapping[str, Any]) -> dict[str, str]:
    """Answers by field code as the flat values of a page."""
    values: dict[str, str] = {}
    for asked in form.fields:
        if asked.code in answers:
            _flatten(asked, name_of(act, asked), answers[asked.code], values)
    return values


def name_of(act: str, asked: FormField) -> str:
    """What a field is called on the page of its act."""
    return f"{act}.{asked.act}" if asked.act else f"{act}.answers.{asked.code}"


def tidied(form: Form, act: str, values: Mapping[str, str]) -> dict[str, str]:
    """The same values with the rows of every group numbered from 0, those that hold nothing left out."""
    kept = dict(values)
    for asked in form.fields:
        if asked.type != "rows":
            continue
        start = f"{name_of(act, asked)}."
        rows: dict[int, dict[str, str]] = {}
        for name in [name for name in kept if name.startswith(start)]:
            number, _, column = name.removeprefix(start).partition(".")
            text = kept.pop(name)
            if number.isdecimal() and len(number) < 4 and text.strip():
                rows.setdefault(int(number), {})[column] = text
        for place, row in enumerate([rows[number] for number in sorted(rows)][:_MOST_ROWS]):
            kept |= {f"{start}{place}.{column}": text for column, text in row.items()}
    return kept


def rows_of(asked: FormField, act: str, values: Mapping[str, str]) -> int:
    """How many rows of a group hold something."""
    start = f"{name_of(act, asked)}."
    numbers = [name.removeprefix(start).partition(".")[0] for name, text in values.items() if name.startswith(start)]
    return max((int(number) + 1 for number in numbers if number.isdecimal() and len(number) < 4), default=0)


def act_inputs(form: Form, act: str, values: Mapping[str, str]) -> dict[str, Any]:
    """What the act's model is made from."""
    so_far = given(form, act, tidied(form, act, values))
    inputs: dict[str, Any] = {"act": act, "form_of": form.effective_from, "answers": {}}
    for asked in form.fields:
        value = so_far.answers.get(asked.code)
        if value is None:
            continue
        if asked.act:
            inputs[asked.act] = value
        else:
            inputs["answers"][asked.code] = value
    return {**inputs, "ratings": dict(so_far.ratings)} if form.rated else inputs


def check_forms(forms: Forms, models: Mapping[str, type[BaseModel]]) -> None:
    """Whether the forms ask what the acts need. Raises `ReferenceDataError` naming form, field and rule."""
    for act, model in models.items():
        if issubclass(model, FormAct) and forms.of_act(act) is None:
            raise ReferenceDataError(f"forms.yaml: no form has the act {act}")
    for code in forms.codes():
        for form in forms.editions(code):
            if form.act is not None:
                _check_form(f"forms.yaml: {code}", form, models.get(form.act))


def _check_form(where: str, form: Form, model: type[BaseModel] | None) -> None:
    if model is None or not issubclass(model, FormAct):
        raise ReferenceDataError(f"{where}: there is no act {form.act} that fills in a form")
    own = set(model.model_fields) - {"act", "answers", "form_of", "ratings"}
    asked = {known.act for known in form.fields if known.act}
    if unknown := asked - own:
        raise ReferenceDataError(f"{where}: {form.act} has no {', '.join(sorted(unknown))}")
    needed = {name for name in own if model.model_fields[name].is_required()}
    if lost := needed - asked:
        raise ReferenceDataError(f"{where}: some field must be answered `as` {', '.join(sorted(lost))}")
    for known in form.fields:
        if known.act in needed and known.when != "always":
            raise ReferenceDataError(f"{where}.{known.code}: the procedure needs it, `when` stays always")
    if bool(form.rated) is not ("ratings" in model.model_fields):
        raise ReferenceDataError(f"{where}: {form.act} and the form differ on whether rows are rated")
    for code, kind in _SERVICES.items() if form.act == "draft-plan" else ():
        columns = {column.code: column for known in form.fields if known.act == "services" for column in known.fields}
        if code not in columns or columns[code].type != kind:
            raise ReferenceDataError(f"{where}: its services need a {kind} {code}")
        if code != "sector" and columns[code].when != "always":
            raise ReferenceDataError(f"{where}.{code}: the procedure needs it, `when` stays always")


# What the procedure reads of a planned service's row.
_SERVICES: Mapping[str, str] = {"kind": "choice", "due": "date", "sector": "choice"}


def _nested(act: str, values: Mapping[str, str]) -> dict[str, Any]:
    nest: dict[str, Any] = {}
    for name, text in values.items():
        if not name.startswith(f"{act}.") or not text.strip():
            continue
        *path, last = name.removeprefix(f"{act}.").split(".")
        place = nest
        for part in path[:4]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                break
        else:
            place[last] = text
    return nest


def _shaped(asked: FormField, value: Any) -> Any:
    if asked.type == "choices" and isinstance(value, dict):
        return [code for code, tick in value.items() if tick == _TICKED]
    if asked.type == "rows" and isinstance(value, dict):
        return [_row(asked.fields, value.get(number)) for number in _numbers(value)]
    return value if isinstance(value, str) else None


def _numbers(rows: Mapping[str, Any]) -> Sequence[str]:
    used = [int(number) for number in rows if number.isdecimal() and len(number) < 4]
    return [str(number) for number in range(max(used, default=-1) + 1)]


def _row(columns: Sequence[FormField], row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        return {}
    shaped = {column.code: _shaped(column, row.get(column.code)) for column in columns}
    return {code: value for code, value in shaped.items() if value is not None}


def _flatten(asked: FormField, name: str, value: Any, values: dict[str, str]) -> None:
    if asked.type == "rows":
        for number, row in enumerate(value):
            for column in asked.fields:
                if column.code in row:
                    _flatten(column, f"{name}.{number}.{column.code}", row[column.code], values)
    elif asked.type == "choices":
        values |= {f"{name}.{code}": _TICKED for code in value}
    elif isinstance(value, bool):
        values[name] = "true" if value else "false"
    elif isinstance(value, float):
        values[name] = str(value).replace(".", ",")
    else:
        values[name] = str(value)
