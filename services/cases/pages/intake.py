"""Form 01 while somebody talks; a report with its triage; what became of the reports that one wrote down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.cases import forms, report_form, store
from services.cases.desk import Draft
from services.cases.desk.finding import Match
from services.cases.domain.model import Actor
from services.cases.domain.rules import open_concern_acts
from services.cases.domain.team import glass_of
from services.cases.pages.room import Room, several, typed
from services.cases.reading import Reading, actor_of, may_see_case, may_see_concern
from services.cases.report_form import Typed
from services.cases.seeing import seen_concern
from services.cases.store import ConcernFile
from shared.contracts.errors import Rejected, Violation
from shared.identity import FORM_FIELD, Permission, Principal, SignedIn, permit
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.reference.terms import Terms
from shared.web.forms import form_of
from shared.web.i18n import format_datetime

Reporter = Annotated[Principal, Depends(permit(Permission.REPORT_CONCERN))]
_LISTED = 30
# The channel by which a sector's reports usually come.
_CHANNELS = {"hotline": "hotline-111", "health": "hospital", "education": "school", "police": "police"}
# How a report comes into a case.
_TAKEN_UP = ("case.opened", "report.linked")
# Fields of the form that are its machinery, not what somebody said.
_MACHINERY = (FORM_FIELD, "step", "report_id")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the form shows beside its fields."""

    typed: Typed
    draft: Draft
    violations: Sequence[Violation] = ()
    matches: Sequence[Match] | None = None


class IntakePages:
    """Reports of concern.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self.desk = room.office.desk

    async def begin(self, request: Request, principal: Principal) -> Response:
        """Form 01: a new one, or a draft to go on with (`?draft=` its id)."""
        actor = actor_of(principal)
        async with self.room.office.scope() as scope:
            draft = await self.desk.drafts.open(scope, actor, f"report/{request.query_params.get('draft') or new_id()}")
        if draft.kept:
            return self._form(request, Shown(Typed.of(draft.values), draft))
        own = next(iter(principal.units)) if principal.units != "all" and len(principal.units) == 1 else None
        begun = {
            "channel": _CHANNELS.get(principal.sector or "", "in-person"),
            "unit": self.room.pages.unit_name(own) if own else "",
            "request": "protection",
        }
        return self._form(request, Shown(Typed(begun), draft))

    async def submit(self, request: Request, principal: Principal) -> Response:
        """What the form's buttons ask: send it (the default), keep it, look for earlier reports, a child more or less.

        What is refused is kept as a draft too, so that nothing typed is lost with the window.
        """
        texts = several(await request.form(), without=_MACHINERY)
        form = await form_of(request)
        given, step = Typed.of(texts), form.get("step", "send")
        report_id = form.get("report_id") or new_id()
        key, actor = f"report/{report_id}", actor_of(principal)
        violations: Sequence[Violation] = ()
        matches: Sequence[Match] | None = None
        try:
            if step == "send":
                return await self._send(given, principal, report_id)
            if step == "similar":
                async with self.room.office.scope() as scope:
                    matches = await self._earlier(scope, actor, given)
            elif step == "add-child":
                given = given.with_child()
            elif step.startswith("drop-child-"):
                place = step.removeprefix("drop-child-")
                given = given.without_child(int(place) if place.isdecimal() and len(place) < 4 else 0)
        except Rejected as rejected:
            violations = report_form.beside_fields(rejected)
            if any(known.rule == "report-sent-already" for known in violations):
                key = f"report/{new_id()}"  # sent once more, it is a report of its own
        kept = {name: [text] for name, text in given.values.items()} | {"kinds": list(given.kinds)}
        draft = await self._keep(actor, key, kept)
        if step == "draft" and draft.kept:
            return RedirectResponse("/cases/?done=draft", 303)
        return self._form(request, Shown(given, draft, violations, matches))

    async def similar(self, request: Request, principal: Principal) -> Response:
        """The fragment beside the form: earlier reports that may be about the same child."""
        given = Typed.of(several(await request.form(), without=_MACHINERY))
        async with self.room.office.scope() as scope:
            matches = await self._earlier(scope, actor_of(principal), given)
        return self.room.fragment(request, "cases/similar.html", matches=matches)

    async def hotline(self, request: Request, principal: Principal) -> Response:
        """The operator's start page: what is not sent yet, what was sent and what became of it."""
        actor = actor_of(principal)
        async with self.room.office.scope() as scope:
            files = await store.concerns_entered_by(scope.connection, actor.id, _LISTED)
            fates = await store.fates_of(scope.connection, [file.concern.id for file in files])
            drafts = await self.desk.drafts.listed(scope, actor, "report/")
        return self.room.render(
            request,
            "cases/hotline.html",
            files=files,
            fates=fates,
            drafts_kept=drafts,
            done=request.query_params.get("done"),
        )

    async def concern(
        self,
        request: Request,
        key: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """A report, with what the reader may read of it and do with it."""
        actor = actor_of(principal)
        async with self.room.office.scope() as scope:
            file, case = await seen_concern(scope.connection, key, actor, scope.now)
            reading = await self.desk.files.reader.report_for(scope.connection, file, actor, "report", scope.now)
            glass = glass_of(case, actor, scope.now) if case is not None else None
            sees_case = case is not None and may_see_case(actor, case, scope.now)
            matches = await self._fitting(scope, actor, file, reading)
            told = await store.lines_of(scope.connection, case.id, _TAKEN_UP) if case is not None and sees_case else []
        names = self.room.names(request)
        own = file.entered_by == actor.id
        return self.room.render(
            request,
            "cases/concern.html",
            file=file,
            concern=file.concern,
            reading=reading,
            case=case if sees_case else None,
            glass=glass,
            fate=case if own else None,
            matches=matches,
            kind_names=[names.term("case-kinds", kind) for kind in file.kinds],
            news=[names.line(line, {}, format_datetime) for line in told[:1]],
            acts=open_concern_acts(file.concern, actor, case),
            values=typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def concern_act(self, request: Request, key: str, principal: Principal) -> Response:
        """A decision of triage."""
        form = await form_of(request)
        actor = actor_of(principal)
        try:
            async with self.room.office.scope() as scope:
                file, _ = await seen_concern(scope.connection, key, actor, scope.now)
                after = await self.desk.intake.act(
                    scope, file.concern.id, forms.concern_act(form), actor, forms.version_of(form)
                )
                sees = may_see_concern(actor, after, None, scope.now)
        except Rejected as rejected:
            return await self.concern(request, key, principal, form, forms.prefixed(rejected, form.get("act", "")))
        if after.concern.case_id:
            return RedirectResponse(f"/cases/c/{after.concern.case_id}?done={form['act']}", 303)
        if not sees:
            return RedirectResponse("/cases/", 303)
        return RedirectResponse(f"/cases/concerns/{after.concern.id}?done={form['act']}", 303)

    def _form(self, request: Request, shown: Shown) -> Response:
        """Form 01 as it stands."""
        terms = Terms.load("case-kinds")
        names = self.room.names(request)
        grouped: dict[str, list[tuple[str, str]]] = {}
        for code, name in names.terms("case-kinds"):
            grouped.setdefault(terms.get(code, "group") or "abuse", []).append((code, name))
        return self.room.render(
            request,
            "cases/report.html",
            values=typed(shown.typed.values),
            kinds=shown.typed.kinds,
            children=shown.typed.children,
            draft=shown.draft,
            report_id=shown.draft.key.removeprefix("report/"),
            kind_groups=grouped,
            matches=shown.matches,
            violations=shown.violations,
            communes_meant=[(code, names.unit(code)) for code in self._asked_which(shown)],
        )

    def _asked_which(self, shown: Shown) -> Sequence[str]:
        """The communes to choose from where the typed name fits several."""
        if all(known.rule != "unit-ambiguous" for known in shown.violations):
            return ()
        return report_form.communes_meant(shown.typed.values.get("unit", "").strip(), self.room.units)

    async def _send(self, given: Typed, principal: Principal, report_id: str) -> Response:
        """Take the report in, answer it at once where it was a question and the answer is written too, and destroy its
        draft: all or nothing."""
        actor = actor_of(principal)
        async with self.room.office.scope() as scope:
            data = report_form.report(given, self.room.units, scope.now)
            dated = bool(given.values.get("received_at", "").strip())
            file = await self.room.office.report(scope, data, principal, report_id, dated=dated)
            await self.desk.drafts.discard(scope, actor, f"report/{report_id}")
            answer, words = given.values.get("answer", ""), given.values.get("answer_words", "").strip()
            if (answer or words) and file.concern.status == "received":
                file = await self._answered(scope, file, answer, words, actor)
        return RedirectResponse(f"/cases/concerns/{file.concern.id}?done=report", 303)

    async def _answered(self, scope: Scope, file: ConcernFile, answer: str, words: str, actor: Actor) -> ConcernFile:
        fields = {"act": "answer", "answer.answer": answer, "answer.words": words}
        try:
            act = forms.concern_act(fields)
            return await self.desk.intake.act(scope, file.concern.id, act, actor, file.concern.version)
        except Rejected as rejected:
            names = {"answer.answer": "answer", "answer.words": "answer_words", "act": "answer"}
            raise Rejected(
                [
                    Violation(names.get(known.field, known.field), known.rule, known.message_vi, known.message_en)
                    for known in rejected.violations
                ]
            ) from None

    async def _keep(self, actor: Actor, key: str, texts: Mapping[str, Sequence[str]]) -> Draft:
        """What was typed as a draft; where there is no keeping it (too long, too many), it still stands in the page."""
        try:
            async with self.room.office.scope() as scope:
                return await self.desk.drafts.save(scope, actor, key, texts, None)
        except Rejected:
            return Draft(key, "report", -1)

    async def _earlier(self, scope: Scope, actor: Actor, given: Typed) -> list[Match]:
        values = given.values
        unit = values.get("unit", "")
        return await self.desk.finding.earlier(
            scope,
            actor,
            name=values.get("child_name", "")[:300],
            number=values.get("child_number"),
            birth_date=report_form.birth_date_of(values.get("child_birth_date", "")),
            unit=report_form.unit_of(unit, self.room.units),
        )

    async def _fitting(self, scope: Scope, actor: Actor, file: ConcernFile, reading: Reading | None) -> list[Match]:
        """Earlier reports and cases that a waiting report may belong to, for whoever decides on it."""
        child = reading.child if reading else None
        if child is None or file.concern.status != "received" or actor.role == "hotline":
            return []
        return await self.desk.finding.earlier(
            scope,
            actor,
            name=child.name,
            number=child.number,
            birth_date=child.birth_date,
            unit=file.concern.unit,
            without=file,
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = IntakePages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/report")
    async def begin(request: Request, principal: Reporter) -> Response:
        return await pages.begin(request, principal)

    @router.post("/report")
    async def submit(request: Request, principal: Reporter) -> Response:
        return await pages.submit(request, principal)

    @router.post("/report/similar")
    async def similar(request: Request, principal: Reporter) -> Response:
        return await pages.similar(request, principal)

    @router.get("/concerns/{key}")
    async def concern(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.concern(request, key, principal)

    @router.post("/concerns/{key}")
    async def concern_act(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.concern_act(request, key, principal)

    return router
