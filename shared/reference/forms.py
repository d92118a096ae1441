"""The forms of a case (Decree 56/2017/ND-CP, appendix) as data: fields, rated rows, and the clock each answers.

It says what a form asks; what an answer means is decided by the service that owns the case. A form changes by editions:
whoever began with one goes on with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Self, get_args

from shared.reference.deadlines import Deadlines
from shared.reference.files import ReferenceDataError, kept, read_yaml
from shared.reference.terms import Terms

When = Literal["always", "known", "agreed"]
Half = Literal["harm", "protection"]
FieldType = Literal["text", "long", "date", "number", "choice", "choices", "yes-no", "rows"]
_LISTED: frozenset[str] = frozenset({"choice", "choices"})
# What the file of a case knows when a form is begun; of each planned service, for a group with a row a service.
FACTS = frozenset(
    {
        "today",
        "officer",
        "unit",
        "received-at",
        "what-happened",
        "measures-taken",
        "child-name",
        "child-birth-date",
        "child-age",
        "child-sex",
        "child-address",
        "child-school",
        "carers",
        "services",
    }
)
SERVICE_FACTS = frozenset({"service-kind", "service-by", "service-due", "service-given"})
# Names that the page of a form gives to its own parts.
_TAKEN = frozenset({"act", "version", "form-of", "answers", "ratings"})


@dataclass(frozen=True, slots=True)
class FormField:
    """One question.

    Args:
        when: always, only if known, or only if the person agrees. terms: name of its code list.
        act: the attribute of the form's act that the answer is, where it drives the case's course.
        prefill: what it begins with: a fact by name, or an answer of another form (`02.conclusion`).
        fields: the columns of a group that repeats (`rows`).
    """

    code: str
    vi: str
    en: str
    when: When = "always"
    terms: str | None = None
    type: FieldType = "text"
    hint_vi: str = ""
    hint_en: str = ""
    act: str | None = None
    prefill: str | None = None
    fields: Sequence[FormField] = ()

    def label(self, language: str = "vi") -> str:
        """What is asked."""
        return self.vi if language == "vi" else self.en

    def hint(self, language: str = "vi") -> str:
        """How to answer, where somebody said so."""
        return self.hint_vi if language == "vi" else self.hint_en or self.hint_vi


@dataclass(frozen=True, slots=True)
class RatedRow:
    """One row rated high, medium or low. `half`: harm to the child, or how far the child can protect itself."""

    code: str
    vi: str
    en: str
    half: Half

    def label(self, language: str = "vi") -> str:
        """What is rated."""
        return self.vi if language == "vi" else self.en


@dataclass(frozen=True, slots=True)
class Form:
    """One edition of a form.

    Args:
        deadline: kind of the clock that it meets. act: what filling it in does.
        beside: the form that whoever fills this one in reads first.
    """

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
    act: str | None = None
    beside: str | None = None

    def title(self, language: str = "vi") -> str:
        """What the form is called."""
        return self.vi if language == "vi" else self.en

    def field(self, code: str) -> FormField | None:
        """A question by its code; None where this edition does not ask it."""
        return next((field for field in self.fields if field.code == code), None)


class Forms:
    """All forms by number, each in its editions. Raises `ReferenceDataError` where one contradicts itself."""

    def __init__(self, forms: Sequence[Form], lists: Collection[str], clocks: Collection[str]) -> None:
        self._editions: dict[str, list[Form]] = {}
        for form in sorted(forms, key=lambda form: (form.code, form.effective_from)):
            _check(form, lists, clocks)
            earlier = self._editions.setdefault(form.code, [])
            if earlier and earlier[-1].effective_from == form.effective_from:
                raise ReferenceDataError(f"forms.yaml: {form.code} has two editions of {form.effective_from}")
            earlier.append(form)
        self._by_act: dict[str, str] = {}
        for form in forms:
            if form.beside is not None and form.beside not in self._editions:
                raise ReferenceDataError(f"forms.yaml: {form.code}: there is no form {form.beside}")
            if form.act is not None and self._by_act.setdefault(form.act, form.code) != form.code:
                raise ReferenceDataError(f"forms.yaml: {form.code}: {form.act} has another form already")

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data files. Raises `ReferenceDataError`."""
        rows = read_yaml("forms.yaml")
        if not isinstance(rows, Mapping):
            raise ReferenceDataError("forms.yaml is no mapping of forms")
        forms = [edition for code, row in rows.items() if row is not None for edition in _editions(str(code), row)]
        return cls(forms, Terms.names(), Deadlines.load().kinds())

    def codes(self) -> tuple[str, ...]:
        """The forms' codes: "01" to "07", and those of minutes."""
        return tuple(self._editions)

    def form(self, code: str, on: date | None = None) -> Form:
        """The edition in force on a day; without a day, the last one. Raises `KeyError` for an unknown form."""
        editions = self._editions[code]
        if on is None:
            return editions[-1]
        return next((form for form in reversed(editions) if form.effective_from <= on), editions[0])

    def edition(self, code: str, of: date) -> Form | None:
        """The very edition that came into force on a day; None where there is none."""
        return next((form for form in self._editions.get(code, ()) if form.effective_from == of), None)

    def editions(self, code: str) -> Sequence[Form]:
        """All editions of a form, oldest first. Raises `KeyError`."""
        return self._editions[code]

    def of_act(self, act: str) -> str | None:
        """The form that an act fills in; None where it fills in none."""
        return self._by_act.get(act)


def _editions(code: str, row: Mapping[str, Any]) -> list[Form]:
    """A form's own body, then what each later edition changes of the one before; nothing (`null`) takes away."""
    where = f"forms.yaml: {code}"
    if not isinstance(row, Mapping):
        raise ReferenceDataError(f"{where} is no form")
    body: dict[str, Any] = {name: value for name, value in row.items() if name != "editions"}
    later = row.get("editions") or {}
    if not isinstance(later, Mapping) or not all(isinstance(day, date) for day in later):
        raise ReferenceDataError(f"{where}: `editions` are named by the day they come into force")
    made = [_form(code, body)]
    for day in sorted(later):
        changes = later[day] or {}
        if not isinstance(changes, Mapping):
            raise ReferenceDataError(f"{where}: the edition of {day} is no form")
        fields = {**(body.get("fields") or {}), **(changes.get("fields") or {})}
        rated = {**(body.get("rated") or {}), **(changes.get("rated") or {})}
        body = {**body, **changes, "fields": fields, "rated": rated, "effective_from": day}
        made.append(_form(code, body))
    return made


def _form(code: str, body: Mapping[str, Any]) -> Form:
    where = f"forms.yaml: {code}"
    known = {name: value for name, value in body.items() if name not in {"fields", "rated"}}
    try:
        fields = [_field(f"{where}.{name}", str(name), row) for name, row in _rows(body, "fields", where)]
        rated = [RatedRow(str(name), **row) for name, row in _rows(body, "rated", where)]
        return Form(code, fields=fields, rated=rated, **known)
    except (TypeError, AttributeError) as error:
        raise ReferenceDataError(f"{where}: {error}") from None


def _rows(body: Mapping[str, Any], part: str, where: str) -> list[tuple[Any, Mapping[str, Any]]]:
    rows = body.get(part) or {}
    if not isinstance(rows, Mapping):
        raise ReferenceDataError(f"{where}: `{part}` is no mapping")
    return [(name, row) for name, row in rows.items() if row is not None]


def _field(where: str, code: str, row: Mapping[str, Any]) -> FormField:
    if not isinstance(row, Mapping):
        raise ReferenceDataError(f"{where} is no field")
    unknown = set(row) - {"vi", "en", "when", "list", "type", "hint_vi", "hint_en", "as", "prefill", "fields"}
    if unknown:
        raise ReferenceDataError(f"{where}: a field has no {', '.join(sorted(map(str, unknown)))}")
    inner = [_field(f"{where}.{name}", str(name), column) for name, column in _rows(row, "fields", where)]
    return FormField(
        code=code,
        vi=row.get("vi") or "",
        en=row.get("en") or "",
        when=row.get("when", "always"),
        terms=row.get("list"),
        type=row.get("type") or ("choice" if row.get("list") else "text"),
        hint_vi=row.get("hint_vi") or "",
        hint_en=row.get("hint_en") or "",
        act=row.get("as"),
        prefill=row.get("prefill"),
        fields=inner,
    )


def _check(form: Form, lists: Collection[str], clocks: Collection[str]) -> None:
    where = f"forms.yaml: {form.code}"
    if not isinstance(form.effective_from, date):
        raise ReferenceDataError(f"{where}: effective_from is no date")
    if not (form.vi and form.en and form.legal_source_vi and form.legal_source_en):
        raise ReferenceDataError(f"{where} needs a title and its legal source in both languages")
    if form.effective_to and form.effective_to <= form.effective_from:
        raise ReferenceDataError(f"{where} ends before it begins")
    if form.deadline is not None and form.deadline not in clocks:
        raise ReferenceDataError(f"{where}: there is no clock {form.deadline}")
    for field in form.fields:
        _check_field(f"{where}.{field.code}", field, lists)
    for row in form.rated:
        if row.half not in get_args(Half) or not (row.vi and row.en):
            raise ReferenceDataError(f"{where}.{row.code} needs names in both languages and belongs to neither half")


def _check_field(where: str, field: FormField, lists: Collection[str], *, column: bool = False) -> None:
    if field.when not in get_args(When) or not (field.vi and field.en):
        raise ReferenceDataError(f"{where} needs names in both languages and a known `when`")
    if "." in field.code or field.code in _TAKEN:
        raise ReferenceDataError(f"{where}: no field can have this code")
    if field.type not in get_args(FieldType):
        raise ReferenceDataError(f"{where}: there is no type {field.type}; there are {', '.join(get_args(FieldType))}")
    if field.terms is not None and field.terms not in lists:
        raise ReferenceDataError(f"{where}: there is no list {field.terms}")
    if (field.terms is not None) is not (field.type in _LISTED):
        raise ReferenceDataError(f"{where}: a choice needs its list, and nothing else has one")
    if (field.type == "rows") is not bool(field.fields) or (column and field.type == "rows"):
        raise ReferenceDataError(f"{where}: rows need `fields`, nothing else has them, and none stands inside another")
    facts = SERVICE_FACTS if column else FACTS
    if field.prefill is not None and field.prefill not in facts and (column or "." not in field.prefill):
        raise ReferenceDataError(f"{where}: nothing is known as {field.prefill}; there are {', '.join(sorted(facts))}")
    for inner in field.fields:
        _check_field(f"{where}.{inner.code}", inner, lists, column=True)
