"""The forms of a case (Decree 56/2017/ND-CP, appendix) as data: fields, rated rows, and the clock each answers.

It says what a form asks; what an answer means is decided by the service that owns the case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Literal, Self, get_args

from shared.reference.deadlines import Deadlines
from shared.reference.files import ReferenceDataError, read_yaml
from shared.reference.terms import Terms

When = Literal["always", "known", "agreed"]
Half = Literal["harm", "protection"]


@dataclass(frozen=True, slots=True)
class FormField:
    """One question. `when`: always, only if known, or only if the person agrees; `terms`: name of its code list."""

    code: str
    vi: str
    en: str
    when: When = "always"
    terms: str | None = None


@dataclass(frozen=True, slots=True)
class RatedRow:
    """One row rated high, medium or low. `half`: harm to the child, or how far the child can protect itself."""

    code: str
    vi: str
    en: str
    half: Half


@dataclass(frozen=True, slots=True)
class Form:
    """One form. `deadline`: kind of the clock that its completion meets, if any."""

    code: str
    vi: str
    en: str
    legal_source_vi: str
    legal_source_en: str
    effective_from: date
    fields: Sequence[FormField]
    rated: Sequence[RatedRow] = ()
    deadline: str | None = None
    effective_to: date | None = None


class Forms:
    """All forms by number. Raises `ReferenceDataError` where one speaks of a list or a clock that is not there."""

    def __init__(self, forms: Sequence[Form], lists: Sequence[str], clocks: Sequence[str]) -> None:
        self._forms = {form.code: form for form in forms}
        for form in forms:
            where = f"forms.yaml: {form.code}"
            if not (form.vi and form.en and form.legal_source_vi and form.legal_source_en):
                raise ReferenceDataError(f"{where} needs a title and its legal source in both languages")
            if form.effective_to and form.effective_to <= form.effective_from:
                raise ReferenceDataError(f"{where} ends before it begins")
            if form.deadline is not None and form.deadline not in clocks:
                raise ReferenceDataError(f"{where}: there is no clock {form.deadline}")
            for field in form.fields:
                if field.when not in get_args(When) or not (field.vi and field.en):
                    raise ReferenceDataError(f"{where}.{field.code} needs names in both languages and a known `when`")
                if field.terms is not None and field.terms not in lists:
                    raise ReferenceDataError(f"{where}.{field.code}: there is no list {field.terms}")
            for row in form.rated:
                if row.half not in get_args(Half):
                    raise ReferenceDataError(f"{where}.{row.code} belongs to neither half")

    @classmethod
    @cache
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        rows: Mapping[str, Mapping[str, Any]] = read_yaml("forms.yaml")
        try:
            forms = [_form(code, row) for code, row in rows.items()]
        except (TypeError, KeyError, AttributeError) as error:
            raise ReferenceDataError(f"forms.yaml: {error}") from None
        return cls(forms, Terms.names(), Deadlines.load().kinds())

    def codes(self) -> tuple[str, ...]:
        """The forms' numbers: "01" to "07"."""
        return tuple(self._forms)

    def form(self, code: str) -> Form:
        """One form. Raises `KeyError`."""
        return self._forms[code]


def _form(code: str, row: Mapping[str, Any]) -> Form:
    known = {name: value for name, value in row.items() if name not in {"fields", "rated"}}
    fields = [
        FormField(name, field["vi"], field["en"], field.get("when", "always"), field.get("list"))
        for name, field in row["fields"].items()
    ]
    rated = [RatedRow(name, **values) for name, values in row.get("rated", {}).items()]
    return Form(code, fields=fields, rated=rated, **known)
