"""A child's fields as cells of a table, in Vietnamese as the file's readers write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.registry import views
from services.registry.domain import circumstances
from services.registry.domain.dates import written_birth
from services.registry.domain.exporting import Leaving
from shared.contracts.vocabulary import ChildDescription, Person
from shared.reference.terms import Terms
from shared.web.i18n import format_date

UnitName = Callable[[str], str]


def row_of(leaving: Leaving, fields: Sequence[str], unit_name: UnitName) -> list[str]:
    """The chosen fields, in their order."""
    return [_cell(leaving, field, unit_name) for field in fields]


def _cell(leaving: Leaving, field: str, unit_name: UnitName) -> str:
    said = leaving.description
    match field:
        case "id":
            return leaving.id
        case "birth_date":
            return _born(said, leaving.birth_year)
        case "sex":
            return views.SEXES[said.sex]
        case "unit":
            return f"{unit_name(leaving.unit)} ({leaving.unit})" if leaving.unit else ""
        case "stay":
            stay = said.stay
            parts = [stay.address, stay.hamlet, unit_name(stay.unit) if stay.unit else None] if stay else []
            return ", ".join(part for part in parts if part)
        case "carers":
            return "; ".join(filter(None, map(_carer, said.carers)))
        case "state":
            return views.STATES.get(leaving.state, leaving.state)
        case "status":
            return views.STATUSES.get(leaving.status, leaving.status)
        case "verified_on" | "due_on" | "confirmed_on":
            return format_date(getattr(leaving, field))
        case "ethnicity":
            return said.ethnicity or said.ethnicity_code or ""
        case "circumstances":
            return "; ".join(map(circumstances.label, leaving.circumstances))
        case "disability":
            return "; ".join([*map(_disability, said.disability_kinds), *filter(None, [_level(said.disability_level)])])
        case _:
            return getattr(said, field) or ""


def _born(said: ChildDescription, year: int | None) -> str:
    """As far as it is known: dd/mm/yyyy, mm/yyyy, the year, or about which year."""
    return written_birth(said) or (f"khoảng {year}" if year else "")


def _carer(carer: Person) -> str:
    told = f"{carer.name or 'chưa rõ tên'} ({carer.relation})" if carer.relation else carer.name or ""
    return " ".join(part for part in (told, carer.phone) if part)


def _disability(code: str) -> str:
    return _label("disability-kinds", code)


def _level(code: str | None) -> str | None:
    return _label("disability-levels", code) if code else None


def _label(name: str, code: str) -> str:
    return Terms.load(name).label(code) if name in Terms.names() else code
