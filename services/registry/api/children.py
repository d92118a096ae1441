"""Children and pairs in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from services.registry.desk import Taken, VersionConflictError
from services.registry.desk.merging import NotPossibleError
from services.registry.domain.children import Change, Conflict, Source
from services.registry.domain.matching import Identification
from services.registry.domain.warnings import coded
from services.registry.office import Office
from services.registry.seeing import Editor, NotThereError, Reader
from services.registry.store.children import ChildRow
from shared.contracts.errors import Violation
from shared.contracts.registry import Candidate, ChildFacts
from shared.contracts.vocabulary import ChildDescription, Day, ShortText, UnitCode


class Description(BaseModel):
    """A child and where it lives. `seen`: ids of look-alikes that the caller has ruled out."""

    child: ChildDescription
    unit: UnitCode | None = None
    seen: Annotated[list[str], Field(max_length=20)] = Field(default_factory=list)


class Correction(BaseModel):
    """The whole description as it should be; `version` as it was read; `reason`: why, a code or words.

    A field that is not given stays; one that is null is emptied.
    """

    child: ChildDescription
    unit: UnitCode | None = None
    version: int
    reason: ShortText


class Settlement(BaseModel):
    """Which source is right in a field where sources contradict each other, and why."""

    record_id: str
    version: int
    reason: ShortText


class Decision(BaseModel):
    """What a person says of a pair."""

    decision: Literal["same", "different"]


class Parting(BaseModel):
    """Which of a child's statements and observations are another child's, and why a person says so."""

    records: Annotated[list[str], Field(min_length=1, max_length=200)]
    reason: ShortText


class ChildView(BaseModel):
    """A child as the API shows it."""

    child_id: str
    version: int
    child: ChildDescription
    facts: ChildFacts
    confirmed_on: date
    sources: dict[str, Source] = Field(default_factory=dict)
    conflicts: list[Conflict] = Field(default_factory=list)


class ChangeView(BaseModel):
    """One change of a record: `fields` holds the old and the new of each."""

    number: int
    at: datetime
    actor: str
    cause: str
    reason: str | None
    fields: dict[str, tuple[Any, Any]]
    begun: list[str]
    ended: list[str]


class Who(BaseModel):
    """`registered` and `child_id` where the child was registered; else the one it surely is, or candidates."""

    result: Literal["registered", "existing", "candidates", "nobody"]
    child_id: str | None = None
    candidates: list[Candidate] = Field(default_factory=list)


def routes(office: Office) -> APIRouter:
    """The routes of this part."""
    router = APIRouter()
    _child_routes(router, office)
    _pair_routes(router, office)
    return router


def _child_routes(router: APIRouter, office: Office) -> None:
    @router.post("/identify")
    async def identify(asked: Description, principal: Reader) -> Who:
        """Who a described child is. Nothing is saved."""
        return _who(await office.identify(principal, asked.child, asked.unit))

    @router.post("/children", status_code=201)
    async def register(asked: Description, principal: Editor) -> Who:
        """Register a child; where another may be the same and is not in `seen`, nothing is saved (`candidates`)."""
        with _answers():
            done = await office.register(principal, coded(asked.child), asked.unit, asked.seen)
        return Who(result="registered", child_id=done.child_id) if isinstance(done, Taken) else _who(done)

    @router.get("/children/{child_id}")
    async def child(child_id: str, principal: Reader, on: Day | None = None) -> ChildView:
        """A child; a merged id gives the child it stands for. `on`: as it was known at the end of that day (404: not
        recorded yet). The look is logged."""
        with _answers():
            if on is None:
                return view((await office.child(principal, child_id)).row)
            row, known = await office.as_it_was(principal, child_id, on)
        if known is None:
            raise HTTPException(404)
        return view(replace(row, known=known))

    @router.get("/children/{child_id}/history")
    async def history(child_id: str, principal: Reader) -> list[ChangeView]:
        """What changed, the newest first: when, through whom, why, the old and the new. The look is logged."""
        with _answers():
            file = await office.child(principal, child_id)
        return [_change(change) for change in file.changes]

    @router.post("/children/{child_id}/conflicts/{field}", status_code=204)
    async def settle(child_id: str, field: str, asked: Settlement, principal: Editor) -> None:
        """Decide which source is right in a field. 404 where there is no such contradiction (any more)."""
        with _answers():
            await office.settle(principal, child_id, field, asked.record_id, asked.version, asked.reason)

    @router.put("/children/{child_id}", status_code=204)
    async def correct(child_id: str, asked: Correction, principal: Editor) -> None:
        """Correct or move a child. 409 where it changed since `version`."""
        with _answers():
            await office.correct(principal, child_id, asked.child, asked.unit, asked.version, asked.reason)


def _pair_routes(router: APIRouter, office: Office) -> None:
    @router.get("/matches")
    async def match(
        principal: Reader, passed: Annotated[int, Field(ge=0, le=10_000)] = 0, unit: UnitCode | None = None
    ) -> dict[str, Any]:
        """The pair that waits at place `passed` of the queue, or of one commune's part of it. `obstacle`: why the two
        cannot be merged as they stand (how each stands is in its `facts.status`); null: they can."""
        with _answers():
            question, more = await office.question(principal, passed, unit)
        if question is None:
            return {"pair": None, "more": False}
        return {
            "pair": question.pair.id,
            "probability": question.pair.probability,
            "reasons": question.comparison.reasons,
            "children": [view(question.one.row), view(question.other.row)],
            "obstacle": _obstacle(question.obstacle),
            "more": more,
        }

    @router.post("/matches/{pair_id}")
    async def decide(pair_id: int, asked: Decision, principal: Reader) -> dict[str, str | None]:
        """The same child, or two. Out: the merge's id, by which it is undone. 422 where the two records, as they
        stand, cannot be one (withdrawn, adopted, erased; or one of them alone deceased or moved away)."""
        with _answers():
            kept, merge_id = await office.decide(principal, pair_id, same=asked.decision == "same")
        return {"child_id": kept, "merge_id": merge_id}

    @router.post("/merges/{merge_id}/undo")
    async def undo(merge_id: str, principal: Reader) -> dict[str, str]:
        """Take two apart again: the one taken out gets a new id."""
        with _answers():
            kept, new = await office.undo(principal, merge_id)
        return {"child_id": kept, "new_child_id": new}

    @router.post("/children/{child_id}/split")
    async def split(child_id: str, asked: Parting, principal: Reader) -> dict[str, str]:
        """One record is two children: what `records` say is the other's. Out: the split's id, by which it is undone."""
        with _answers():
            split_id, new = await office.split(principal, child_id, asked.records, asked.reason)
        return {"split_id": split_id, "new_child_id": new}

    @router.post("/splits/{split_id}/undo")
    async def undo_split(split_id: str, principal: Reader) -> dict[str, str]:
        """The two are one child after all."""
        with _answers():
            return {"child_id": await office.undo_split(principal, split_id)}


@contextmanager
def _answers() -> Iterator[None]:
    """The office's refusals as HTTP has them."""
    try:
        yield
    except NotThereError:
        raise HTTPException(404) from None
    except (NotPossibleError, VersionConflictError):
        raise HTTPException(409) from None


def view(row: ChildRow) -> ChildView:
    """A child's record as the API shows it."""
    known = row.known
    return ChildView(
        child_id=row.id,
        version=row.sequence,
        child=known.description,
        facts=known.facts,
        confirmed_on=known.confirmed_on,
        sources=dict(known.sources),
        conflicts=list(known.conflicts),
    )


def _change(change: Change) -> ChangeView:
    return ChangeView(
        number=change.number,
        at=change.at,
        actor=change.actor,
        cause=change.cause,
        reason=change.reason,
        fields={name: (old, new) for name, old, new in change.fields},
        begun=list(change.begun),
        ended=list(change.ended),
    )


def _obstacle(found: Violation | None) -> dict[str, str] | None:
    return None if found is None else {"rule": found.rule, "vi": found.message_vi, "en": found.message_en}


def _who(found: Identification) -> Who:
    if found.sure is not None:
        return Who(result="existing", child_id=found.sure.child_id)
    candidates = [
        Candidate(child_id=match.child_id, probability=match.probability, reasons=list(match.reasons))
        for match in found.possible
    ]
    return Who(result="candidates" if candidates else "nobody", candidates=candidates)
