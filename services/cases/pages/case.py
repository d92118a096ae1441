"""A case: its clocks, the child, what can be done, one timeline of all sectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.cases import forms, store
from services.cases.documents import FORM_KINDS
from services.cases.domain.agenda import next_acts
from services.cases.domain.model import Case, Clock, local_day
from services.cases.domain.rules import open_acts
from services.cases.pages.documents import documents_of
from services.cases.pages.forms import FormPages
from services.cases.pages.history import NOTHING, Asked, history_of
from services.cases.pages.room import Room, form_of, typed
from services.cases.pages.team import ASKED_KINDS, team_of
from services.cases.reading import actor_of, as_offered, may_follow_case, may_see_case, sees_cases_of
from services.cases.store import Line
from services.cases.views import Shown
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import SECTORS
from shared.identity import Principal, SignedIn, identity_of
from shared.messaging.router import Scope
from shared.reference.forms import Forms
from shared.web.i18n import format_datetime

# What a sector says to which the commune owes a word.
_OWED_KINDS = ("task.declined", "task.question", "task.new-date")


@dataclass(frozen=True, slots=True)
class Clocks:
    """A case's clocks as its page shows them: what runs, the soonest first; what stands still; what is settled."""

    running: Sequence[Clock]
    paused: Sequence[Clock]
    settled: Sequence[Clock]

    @classmethod
    def of(cls, case: Case) -> Clocks:
        """From a case."""
        by_due = sorted(case.clocks, key=lambda clock: clock.due)
        return cls(
            [clock for clock in by_due if clock.runs],
            [clock for clock in by_due if clock.state == "paused"],
            [clock for clock in reversed(by_due) if not clock.runs and clock.state != "paused"],
        )


class CasePage:
    """One case.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def case(
        self,
        request: Request,
        key: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """A case: its clocks, the child, what can be done, and one timeline of all sectors."""
        actor = actor_of(principal)
        async with self.room.office.scope() as scope:
            case = await self.room.seen_case(scope.connection, key, actor, scope.now)
            if case.code == key:
                return RedirectResponse(f"/cases/c/{case.id}", 303)
            # The commune to which a case is offered sees what it is, not what was done in it.
            led = may_follow_case(actor, case, scope.now)
            reports = await store.concerns_of(scope.connection, case.id) if led else []
            reader = self.room.office.desk.files.reader
            reads = await reader.admit(scope.connection, case, actor, "case", scope.now) is not None
            readings = [
                (file, await reader.shown(scope.connection, file, actor) if reads else None) for file in reports
            ]
            history = NOTHING
            papers: list[Line] = []
            if led:
                papers = await store.lines_of(scope.connection, case.id, FORM_KINDS)
                asked = Asked.read(request.query_params)
                names = self.room.names(request)
                history = await history_of(scope, case, actor, reader, names, asked, papers, reads)
            documents = await documents_of(self.room, request, scope, case, papers, actor) if led else None
            owed = await self._owed(scope, case, reads) if led else []
            told = await store.lines_of(scope.connection, case.id, ASKED_KINDS) if led else []
            opened = [(line, await reader.words(scope.connection, line) if reads else {}) for line in told]
            team = team_of(case, actor, scope.now, identity_of(request).directory, opened)
            begun = await self.room.office.desk.drafts.listed(scope, actor, f"case/{case.id}/")
            target = await store.find_case(scope.connection, case.merged_into) if case.merged_into else None
            siblings = await store.linked_cases(scope.connection, case.id) if led else []
        return self.room.render(
            request,
            "cases/case.html",
            case=case if led else as_offered(case),
            readings=readings,
            reads=reads,
            history=history,
            task_words=[self.room.names(request).line(line, words, format_datetime) for line, words in owed],
            clocks=Clocks.of(case if led else as_offered(case)),
            first_acts=next_acts(case, actor),
            opening=request.query_params.get("act", ""),
            team=team,
            target=target,
            documents=documents,
            offered=not led,
            siblings=[(row, sees_cases_of(actor, row.unit)) for row in siblings],
            acts=open_acts(case, actor),
            may_answer=actor.role in ("worker", "chair"),
            today=local_day(scope.now),
            begun={draft.form for draft in begun},
            news=_news(history.lines, values, violations),
            sectors=SECTORS,
            values=typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def _owed(self, scope: Scope, case: Case, reads: bool) -> list[tuple[Line, Mapping[str, Any]]]:
        """What sectors said to which the commune owes a word, opened for who reads it."""
        if not any(task.awaited == "commune" for task in case.tasks):
            return []
        reader = self.room.office.desk.files.reader
        lines = await store.lines_of(scope.connection, case.id, _OWED_KINDS)
        return [(line, await reader.words(scope.connection, line) if reads else {}) for line in lines]

    async def case_act(self, request: Request, key: str, principal: Principal) -> Response:
        """An act on a case; what was typed comes back with what is wrong."""
        form = await form_of(request)
        if Forms.load().of_act(form.get("act", "")) is not None:
            return await FormPages(self.room).submit(request, key, form["act"], principal, form)
        actor = actor_of(principal)
        try:
            async with self.room.office.scope() as scope:
                case = await self.room.seen_case(scope.connection, key, actor, scope.now)
                after = await self.room.office.desk.cases.act(
                    scope, case.id, forms.case_act(form, local_day(scope.now)), actor, forms.version_of(form)
                )
                sees = may_see_case(actor, after, scope.now)
        except Rejected as rejected:
            return await self.case(request, key, principal, form, forms.prefixed(rejected, form.get("act", "")))
        if not sees:
            return RedirectResponse("/cases/", 303)
        return RedirectResponse(f"/cases/c/{after.id}?done={form['act']}", 303)


def _news(shown: Sequence[Shown], values: Mapping[str, str] | None, violations: Sequence[Violation]) -> Sequence[Shown]:
    """What happened since the page was made from which somebody acted too late; nothing where nobody did."""
    if not any(known.rule == "version-changed" for known in violations):
        return ()
    seen = forms.version_of(values or {})
    return [line for line in shown if line.version > seen >= 0]


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = CasePage(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/c/{key}")
    async def case(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.case(request, key, principal)

    @router.post("/c/{key}")
    async def case_act(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.case_act(request, key, principal)

    return router
