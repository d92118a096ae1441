"""A case: its clocks, the child, what can be done, one timeline of all sectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.cases import forms, store
from services.cases.domain.agenda import next_acts
from services.cases.domain.model import Case, Clock, Task, local_day
from services.cases.domain.rules import open_acts
from services.cases.pages.forms import FormPages
from services.cases.pages.history import NOTHING, Asked, history_of
from services.cases.pages.papers import few_documents
from services.cases.pages.room import Room, typed
from services.cases.pages.team import team_of
from services.cases.reading import actor_of, as_offered, may_follow_case, may_see_case, sees_cases_of
from services.cases.seeing import seen_case
from services.cases.store import ConcernFile
from services.cases.views import Names, Shown
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import SECTORS
from shared.identity import Principal, SignedIn, identity_of
from shared.messaging.router import Scope
from shared.reference.forms import Forms
from shared.web.forms import form_of
from shared.web.i18n import format_datetime

# How many reports are shown beside a case, and how many tasks and clocks of those that are over.
_REPORTS: Final = 3
_OVER: Final = 10
# What a sector says to which the commune owes a word, by what is pending.
_OWED: Mapping[str, str] = {"question": "task.question", "date": "task.new-date"}


@dataclass(frozen=True, slots=True)
class Clocks:
    """A case's clocks as its page shows them: what runs, the soonest first; what stands still; the newest of what is
    settled, and how many are in all."""

    running: Sequence[Clock]
    paused: Sequence[Clock]
    settled: Sequence[Clock]
    settled_in_all: int

    @classmethod
    def of(cls, case: Case) -> Clocks:
        """From a case."""
        by_due = sorted(case.clocks, key=lambda clock: clock.due)
        settled = [clock for clock in reversed(by_due) if not clock.runs and clock.state != "paused"]
        return cls(
            [clock for clock in by_due if clock.runs],
            [clock for clock in by_due if clock.state == "paused"],
            settled[:_OVER],
            len(settled),
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
            case = await seen_case(scope.connection, key, actor, scope.now)
            if case.code == key:
                return RedirectResponse(f"/cases/c/{case.id}", 303)
            # The commune to which a case is offered sees what it is, not what was done in it.
            led = may_follow_case(actor, case, scope.now)
            reader = self.room.office.desk.files.reader
            reads = await reader.admit(scope.connection, case, actor, "case", scope.now) is not None
            history = NOTHING
            owed: Mapping[str, Shown] = {}
            documents = None
            reports: Sequence[ConcernFile] = ()
            if led:
                asked, names = Asked.read(request.query_params), self.room.names(request)
                history = await history_of(scope, case, actor, reader, names, asked, reads)
                documents = await few_documents(self.room, request, scope, case, actor)
                reports = await self._reports(scope, case, documents.reports)
                owed = await self._owed(scope, case, names, reads)
            readings = [
                (file, await reader.shown(scope.connection, file, actor) if reads else None) for file in reports
            ]
            team = team_of(case, actor, scope.now, identity_of(request).directory)
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
            owed=owed,
            tasks=_tasks_shown(case),
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

    async def _reports(self, scope: Scope, case: Case, newest: Sequence[ConcernFile]) -> Sequence[ConcernFile]:
        """The report for which the case was opened and the newest others, oldest first."""
        newest = newest[:_REPORTS]
        if all((file.part or file.concern.id) != case.concern_id for file in newest):
            first = await store.find_concern(scope.connection, case.concern_id)
            newest = [*newest[: _REPORTS - 1], first] if first else newest
        return newest[::-1]

    async def _owed(self, scope: Scope, case: Case, names: Names, reads: bool) -> dict[str, Shown]:
        """What a sector said to which the commune owes a word, by task, opened for who reads it."""
        asked = {task.id: kind for task in case.tasks if task.awaited == "commune" and (kind := _owed_kind(task))}
        reader = self.room.office.desk.files.reader
        said = await store.last_said(scope.connection, case.id, asked) if asked else {}
        return {
            task_id: names.line(line, await reader.words(scope.connection, line) if reads else {}, format_datetime)
            for task_id, line in said.items()
        }

    async def case_act(self, request: Request, key: str, principal: Principal) -> Response:
        """An act on a case; what was typed comes back with what is wrong."""
        form = await form_of(request)
        if Forms.load().of_act(form.get("act", "")) is not None:
            return await FormPages(self.room).submit(request, key, form["act"], principal, form)
        actor = actor_of(principal)
        try:
            async with self.room.office.scope() as scope:
                case = await seen_case(scope.connection, key, actor, scope.now)
                after = await self.room.office.desk.cases.act(
                    scope, case.id, forms.case_act(form, local_day(scope.now)), actor, forms.version_of(form)
                )
                sees = may_see_case(actor, after, scope.now)
        except Rejected as rejected:
            return await self.case(request, key, principal, form, forms.prefixed(rejected, form.get("act", "")))
        if not sees:
            return RedirectResponse("/cases/", 303)
        return RedirectResponse(f"/cases/c/{after.id}?done={form['act']}", 303)


def _owed_kind(task: Task) -> str | None:
    """Which kind of line has what the sector said last."""
    return "task.declined" if task.state == "declined" else _OWED.get(task.pending or "")


def _tasks_shown(case: Case) -> list[Task]:
    """Those that wait for anybody, the commune first, and the newest of those that are over."""
    waiting = [task for turn in ("commune", "sector") for task in case.tasks if task.awaited == turn]
    over = [task for task in case.tasks if task.awaited == "nobody"]
    return [*waiting, *sorted(over, key=lambda task: task.asked_at)[-_OVER:]]


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
