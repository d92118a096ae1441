"""Searching in JSON, with counts to narrow by, and the searches a person keeps. What is looked for stands in bodies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from services.registry.api.children import ChildView, view
from services.registry.domain.searching import Wanted
from services.registry.finder import Finder
from services.registry.search_form import FIELDS, FURTHER, read, typed
from services.registry.seeing import NotThereError, Reader
from services.registry.store.finding import MOST
from shared.contracts.vocabulary import Day, ListCode, RecordState, ShortText, UnitCode


class Search(BaseModel):
    """What to look for, at least one thing besides the commune; `number`: all digits or the last six and more."""

    name: ShortText = ""
    carer: ShortText = ""
    birth_date: Day | None = None
    birth_year: Annotated[int | None, Field(ge=1990, le=2100)] = None
    number: Annotated[str, Field(pattern=r"^(\d{6,12})?$")] = ""
    household: ShortText = ""
    school: ShortText = ""
    grade: ShortText = ""
    hamlet: ShortText = ""
    circumstance: ListCode | None = None
    state: RecordState | None = None
    unit: UnitCode | None = None
    after: Annotated[int, Field(ge=0, le=1_000, description="how many to pass over")] = 0


class FoundView(BaseModel):
    """A page of children, the likeliest first.

    `total` and the counts by commune and birth year are of all that were found, up to `counted_up_to`; `loose` of them
    are not quite as was typed.
    """

    children: list[ChildView]
    total: int
    loose: int
    counted_up_to: int = MOST
    more: bool
    by_unit: dict[str, int]
    by_year: dict[int, int]


class Keeping(BaseModel):
    """A search to keep under a name: the fields of the search page, as typed."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    values: Annotated[dict[str, ShortText], Field(max_length=20)]


class KeptView(BaseModel):
    """A search that the caller keeps."""

    id: str
    name: str
    values: dict[str, str]


def routes(finder: Finder) -> APIRouter:
    """The routes of this part."""
    router = APIRouter()

    @router.post("/search")
    async def search(asked: Search, principal: Reader) -> FoundView:
        """Children in the caller's communes like the one looked for. The search is logged, not what was typed."""
        said = asked.model_dump(exclude={"unit", "after", "circumstance"})
        wanted = Wanted(**said, circumstance=asked.circumstance or "", units=[asked.unit] if asked.unit else None)
        found = await finder.search(principal, wanted, asked.after)
        return FoundView(
            children=[view(row) for row in found.rows],
            total=found.total,
            loose=found.loose,
            more=found.more,
            by_unit={unit: count for unit, count in found.by_unit.most_common() if unit is not None},
            by_year={year: count for year, count in sorted(found.by_year.items(), key=str) if year is not None},
        )

    @router.get("/searches")
    async def kept(principal: Reader) -> list[KeptView]:
        """The searches that the caller keeps."""
        found = await finder.saved(principal)
        return [KeptView(id=one.id, name=one.name, values=dict(one.values)) for one in found]

    @router.post("/searches", status_code=201)
    async def keep(asked: Keeping, principal: Reader) -> dict[str, str]:
        """Keep a search; one of the same name is replaced. Fields that the search page does not have are left out."""
        said = {name: value for name, value in asked.values.items() if name in {*FIELDS, *FURTHER, "unit"}}
        values = typed(said)
        read(values, [values.get("unit", "")])
        return {"id": await finder.save(principal, asked.name, values)}

    @router.delete("/searches/{search_id}", status_code=204)
    async def forget(search_id: str, principal: Reader) -> None:
        """Keep a search no more."""
        try:
            await finder.forget(principal, search_id)
        except NotThereError:
            raise HTTPException(404) from None

    return router
