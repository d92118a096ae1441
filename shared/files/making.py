"""A mapping made by somebody who was shown the columns: which holds what, and nothing else to be known of YAML."""

from __future__ import annotations

from collections.abc import Mapping as Map
from typing import Any, Final

from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import Sector
from shared.files.forms import Mapping, shipped

# What a column of a roster can hold. The relations are those of the forms that come with the platform.
FIELDS: Final = (
    "id",
    "child.name",
    "child.birth_date",
    "child.sex",
    "child.number",
    "child.ethnicity",
    "child.hamlet",
    "child.address",
    "child.household",
    "child.birth_place",
    "child.birth_certificate",
    "child.health_insurance",
    "child.school",
    "child.grade",
    "child.carers.mẹ",
    "child.carers.bố",
    "child.carers.người chăm sóc",
    "unit",
    "circumstances",
    "dropped_out",
)
# Whose list it is: the register, the sector that keeps it.
KINDS: Final[Map[str, Sector]] = {
    "commune-roster": "dolisa",
    "school-roster": "education",
    "health-record": "health",
}
_TELLING = (
    "child.name",
    "child.birth_date",
    "child.number",
    "child.carers.mẹ",
    "child.carers.bố",
    "child.hamlet",
    "unit",
)


def make(name: str, title: str, kind: str, columns: Map[str, str], as_of: str | None) -> Mapping:
    """In: a name in lower-case ASCII, how people call it, a register of `KINDS`, label to field, the list's own date
    (ISO) where it is known. Raises `Rejected` (name-missing, field-twice, kind-unknown)."""
    chosen = {label: field for label, field in columns.items() if field in FIELDS}
    if kind not in KINDS:
        raise Rejected([_KIND])
    if "child.name" not in chosen.values():
        raise Rejected([_NAME])
    if len(set(chosen.values())) < len(chosen):
        raise Rejected([_TWICE])
    label_of = {field: label for label, field in chosen.items()}
    fields: dict[str, Any] = {}
    for field, label in label_of.items():
        if field == "unit":
            fields["unit"] = {"column": label, "as": "unit"}
            fields["unit_text"] = {"column": label}
        elif field != "id":
            fields[field] = {"column": label, **_how(field)}
            if field == "child.birth_date":
                fields["child.birth_precision"] = {"column": label, "as": "birth-precision"}
    own = label_of.get("id")
    constants = {"register_kind": kind} | ({"as_of": as_of} if as_of else {})
    return Mapping.model_validate(
        {
            "name": name,
            "title": title,
            "sector": KINDS[kind],
            "type": "agency.child.recorded",
            "source": f"/agency/{KINDS[kind]}/{name}",
            "columns": list(chosen),
            "id": {"column": own} if own else {"derived": [label_of[field] for field in _TELLING if field in label_of]},
            "constants": constants,
            "fields": fields,
        }
    )


def _how(field: str) -> dict[str, Any]:
    """How a field's cells are read: as the forms that come with the platform read theirs."""
    if field == "child.name":
        return {"rule": "name", "required": True}
    if field == "child.birth_date":
        return {"as": "birth", "rule": "birth-date", "under": 16}
    if field == "child.sex":
        return {"as": "sex"}
    if field in {"circumstances", "dropped_out"}:
        like = next(form.fields[field] for form in shipped() if field in form.fields)
        return like.model_dump(by_alias=True, exclude={"column"})
    return {}


_KIND = Violation("kind", "kind-unknown", "Hãy chọn đây là danh sách gì.", "Choose what kind of list this is.")
_NAME = Violation(
    "columns", "name-missing", "Phải chỉ ra cột họ và tên của trẻ.", "Say which column holds the child's name."
)
_TWICE = Violation(
    "columns", "field-twice", "Một nội dung chỉ lấy từ một cột.", "A field is taken from one column only."
)
