"""The life of a record in JSON: how it stands, and the acts of its page, refused for the same reasons."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from services.registry.acts import Act, Acts
from services.registry.desk import VersionConflictError
from services.registry.keeper import Keeper
from services.registry.seeing import NotThereError, Reader
from services.registry.store.children import ChildRow
from shared.contracts.vocabulary import ChildDescription, Day, RecordState, RecordStatus
from shared.identity import Principal
from shared.messaging.router import Scope

Words = Annotated[str, Field(max_length=300)]
Code = Annotated[str, Field(max_length=64)]


class Asked(BaseModel):
    """What every act may say: `version` as the record was read; it is not done on one that changed since (409)."""

    version: int | None = None


class Verification(Asked):
    """Which fields were found right on a day, and how (a method of the reference data)."""

    on: Day
    method: Code
    confirmed: Annotated[list[Code], Field(max_length=100)]


class Move(Asked):
    """The commune where the child lives now."""

    unit: Code


class Departure(Asked):
    """The day on which the child left the province."""

    on: Day


class Death(Asked):
    """The day of death, and who says so."""

    on: Day
    source: Words


class Withdrawal(Asked):
    """Why there is no such child: not-a-child or made-up."""

    reason: Code
    note: Words = ""


class Return(Asked):
    """Why a closed record is opened again; must be said where no source tells of the child any more."""

    note: Words = ""


class Adoption(Asked):
    """Who the child is from now (`child`, `unit`), and which circumstances still matter (`carried`)."""

    on: Day
    child: ChildDescription
    unit: Code
    carried: Annotated[list[Code], Field(max_length=100)] = Field(default_factory=list)


class Erasure(Asked):
    """On what ground (of the reference data)."""

    ground: Code


class Hold(Asked):
    """Why nobody may erase the record for the time being (of the reference data), and by which document."""

    reason: Code
    note: Words


class HoldView(BaseModel):
    """A hold that is in force."""

    hold_id: str
    reason: str
    note: str


class LifeView(BaseModel):
    """How a record stands, and which acts the caller's role is named for."""

    child_id: str
    version: int
    state: RecordState
    status: RecordStatus
    checked_on: date | None
    verified_on: date | None
    due_on: date | None
    ages_out_on: date | None
    holds: list[HoldView]
    may: list[str]


Do = Callable[[Principal, str, str, Asked, Act], Awaitable[Any]]


def routes(keeper: Keeper, acts: Acts) -> APIRouter:
    """The routes below `children/{child_id}/life`."""
    router = APIRouter(prefix="/children/{child_id}/life")
    do = _doing(keeper)
    _standing_route(router, keeper)
    _upkeep_routes(router, acts, do)
    _closing_routes(router, acts, do)
    return router


def _doing(keeper: Keeper) -> Do:
    """How an act is done for a caller, on the version of the record that it was meant for."""

    async def do(principal: Principal, child_id: str, name: str, asked: Asked, act: Act) -> Any:
        async def on_this_version(scope: Scope, row: ChildRow, by: str) -> Any:
            if asked.version is not None and asked.version != row.sequence:
                raise VersionConflictError
            return await act(scope, row, by)

        try:
            return await keeper.act(principal, child_id, name, on_this_version)
        except NotThereError:
            raise HTTPException(404) from None
        except VersionConflictError:
            raise HTTPException(409) from None

    return do


def _standing_route(router: APIRouter, keeper: Keeper) -> None:
    @router.get("")
    async def life(child_id: str, principal: Reader) -> LifeView:
        """How a record stands. The look is logged."""
        try:
            file = await keeper.file(principal, child_id)
        except NotThereError:
            raise HTTPException(404) from None
        stands = file.standing.life
        return LifeView(
            child_id=file.row.id,
            version=file.row.sequence,
            state=stands.state,
            status=stands.status,
            checked_on=stands.checked_on,
            verified_on=stands.verified_on,
            due_on=stands.due_on,
            ages_out_on=stands.ages_out_on,
            holds=[HoldView(hold_id=str(one.id), reason=one.reason, note=one.note) for one in file.holds],
            may=sorted(file.may),
        )


def _upkeep_routes(router: APIRouter, acts: Acts, do: Do) -> None:
    @router.post("/check", status_code=204)
    async def check(child_id: str, asked: Asked, principal: Reader) -> None:
        """Somebody looked the record through for gaps and contradictions."""
        await do(principal, child_id, "check", asked, acts.check())

    @router.post("/verify")
    async def verify(child_id: str, asked: Verification, principal: Reader) -> dict[str, Any]:
        """Somebody verified the record. Out: its version, and when it must be verified again."""
        act = acts.verify(asked.on, asked.method, asked.confirmed)
        done = await do(principal, child_id, "verify", asked, act)
        return {"version": done.sequence, "due_on": done.due_on}

    @router.post("/move", status_code=204)
    async def move(child_id: str, asked: Move, principal: Reader) -> None:
        """The child lives in another commune of the province, which gets the record."""
        await do(principal, child_id, "move", asked, acts.move(asked.unit))

    @router.post("/move-away", status_code=204)
    async def move_away(child_id: str, asked: Departure, principal: Reader) -> None:
        """The child lives in another province."""
        await do(principal, child_id, "move-away", asked, acts.move_away(asked.on))


def _closing_routes(router: APIRouter, acts: Acts, do: Do) -> None:
    @router.post("/die", status_code=204)
    async def die(child_id: str, asked: Death, principal: Reader) -> None:
        """The child died."""
        await do(principal, child_id, "die", asked, acts.die(asked.on, asked.source))

    @router.post("/withdraw", status_code=204)
    async def withdraw(child_id: str, asked: Withdrawal, principal: Reader) -> None:
        """The record was none of a child: it counts no more, nor does what sources say for it."""
        await do(principal, child_id, "withdraw", asked, acts.withdraw(asked.reason, asked.note))

    @router.post("/return", status_code=204)
    async def come_back(child_id: str, asked: Return, principal: Reader) -> None:
        """A closed record is kept up again, to be checked anew: it had been closed by mistake, or the child is back."""
        await do(principal, child_id, "return", asked, acts.come_back(asked.note))

    @router.post("/adopt", status_code=204)
    async def adopt(child_id: str, asked: Adoption, principal: Reader) -> None:
        """The child was adopted: this record closes, another begins later by itself, and nothing ties the two."""
        await do(principal, child_id, "adopt", asked, acts.adopt(asked.on, asked.child, asked.unit, asked.carried))

    @router.post("/erase", status_code=204)
    async def erase(child_id: str, asked: Erasure, principal: Reader) -> None:
        """Erased by law, with its key: it cannot be undone."""
        await do(principal, child_id, "erase", asked, acts.erase(asked.ground))

    @router.post("/hold", status_code=204)
    async def hold(child_id: str, asked: Hold, principal: Reader) -> None:
        """Nobody may erase the record until the hold is lifted."""
        await do(principal, child_id, "hold", asked, acts.hold(asked.reason, asked.note))

    @router.delete("/holds/{hold_id}", status_code=204)
    async def lift(child_id: str, hold_id: str, principal: Reader) -> None:
        """A hold is lifted."""
        try:
            act = acts.lift(hold_id)
        except NotThereError:
            raise HTTPException(404) from None
        await do(principal, child_id, "hold", Asked(), act)
