"""A form of the law on a page of its own: begun with what is known, kept while it is typed, told what it lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.cases import answered, filling, forms, store
from services.cases import views as v
from services.cases.desk.drafts import Draft
from services.cases.documents import KIND_OF
from services.cases.domain.forms import COARSE, RATINGS, answers_of, totals
from services.cases.domain.model import Actor, Case, local_day
from services.cases.domain.rules import refusal
from services.cases.pages.history import opened_lines
from services.cases.pages.room import Room, typed
from services.cases.reading import actor_of, may_see_case
from services.cases.seeing import seen_case
from services.cases.store import Line, LineFilter
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import ChildDescription
from shared.identity import FORM_FIELD, Principal, SignedIn
from shared.messaging.router import Scope
from shared.reference.forms import Form, FormField
from shared.web.forms import form_of
from shared.web.i18n import format_date, format_datetime
from shared.web.pages import language_of

# What is decided anew each time a form is filled in; the time before is shown beside it, not chosen for anybody.
_DECIDED_ANEW = COARSE | {"number"}
_TODAY = "today"
# The form by which a plan is approved.
_APPROVAL: Final = "05"
# How many reports are asked for a fact, and how many lines are shown as news.
_REPORTS: Final = 10
_NEWS: Final = 30
# By form, its newest line in the case with its opened words.
Filled = Mapping[str, tuple[Line, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody sent. `more`: the group that is to have one row more."""

    values: Mapping[str, str]
    violations: Sequence[Violation] = ()
    more: str = ""


@dataclass(frozen=True, slots=True)
class Before:
    """How the form was filled in last: what is carried over, and what is shown beside the questions."""

    values: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)


class FormPages:
    """The forms of a case.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def page(
        self, request: Request, key: str, act: str, principal: Principal, sent: Typed | None = None
    ) -> Response:
        """The form of an act, with what is kept or known of it; why not, where the act is not open."""
        actor = actor_of(principal)
        office = self.room.office
        async with office.scope() as scope:
            case = await seen_case(scope.connection, key, actor, scope.now)
            draft = await office.desk.drafts.open(scope, actor, f"case/{case.id}/{act}")
            values: Mapping[str, str] = sent.values if sent else draft.first()
            form = filling.edition(act, values, local_day(scope.now))
            if form is None:
                raise HTTPException(404)
            closed = refusal(case, act, actor)
            reads = await office.desk.files.reader.admit(scope.connection, case, actor, "form", scope.now) is not None
            filled = await self._filled(scope, case, form) if reads else {}
            before = _before(form, act, filled)
            if not values and reads and closed is None:
                values = {**await self._known(request, scope, case, form, act, actor, filled), **before.values}
            names = self.room.names(request)
            seen = forms.version_of(values) if "version" in values else case.version
            news = await self._news(scope, case, names, seen) if reads else []
            beside = filled.get(form.beside or "")
            read = names.line(*beside, format_datetime) if beside else None
        return self._render(request, case, form, act, values, sent, draft, before, news, closed, read)

    async def submit(
        self, request: Request, key: str, act: str, principal: Principal, given: Mapping[str, str]
    ) -> Response:
        """A form sent, to be kept for later, or to have a row more; what was typed comes back with what is wrong."""
        actor = actor_of(principal)
        office = self.room.office
        async with office.scope() as scope:
            case = await seen_case(scope.connection, key, actor, scope.now)
            form = filling.edition(act, given, local_day(scope.now))
            if form is None:
                raise HTTPException(404)
            values = filling.tidied(form, act, {**given, "act": act})
            draft_key = f"case/{case.id}/{act}"
        if "keep" in given:
            kept = {name: text for name, text in values.items() if name != "keep"}
            try:
                await self._keep(actor, draft_key, kept)
            except Rejected as rejected:
                return await self.page(request, key, act, principal, Typed(kept, rejected.violations))
            return RedirectResponse(f"/cases/c/{case.id}/forms/{act}", 303)
        if "more" in given:
            return await self.page(request, key, act, principal, Typed(values, (), given["more"]))
        try:
            async with office.scope() as scope:
                read = forms.case_act(values, local_day(scope.now))
                after = await office.desk.cases.act(scope, case.id, read, actor, forms.version_of(values))
                await office.desk.drafts.discard(scope, actor, draft_key)
                sees = may_see_case(actor, after, scope.now)
        except Rejected as rejected:
            with suppress(Rejected):  # too long, too many: the page itself still holds all of it
                await self._keep(actor, draft_key, values)
            wrong = forms.prefixed(rejected, act)
            return await self.page(request, key, act, principal, Typed(values, wrong))
        if not sees:
            return RedirectResponse("/cases/", 303)
        return RedirectResponse(f"/cases/c/{after.id}?done={act}", 303)

    async def _keep(self, actor: Actor, draft_key: str, values: Mapping[str, str]) -> None:
        """What was typed as a draft, also of a form that was refused: nobody types it twice. Raises `Rejected`."""
        office = self.room.office
        kept = {name: [text] for name, text in values.items() if name != FORM_FIELD}
        async with office.scope() as scope:
            await office.desk.drafts.save(scope, actor, draft_key, kept, None)

    async def _filled(self, scope: Scope, case: Case, form: Form) -> Filled:
        """The forms from which this one begins or beside which it is filled in, opened; and whether a plan was approved
        since, without the words of that."""
        reader = self.room.office.desk.files.reader
        sources = {(asked.prefill or "").partition(".")[0] for asked in form.fields if "." in (asked.prefill or "")}
        wanted = {form.code, form.beside or "", *sources}
        kinds = {KIND_OF[code]: code for code in {*wanted, _APPROVAL} if code in KIND_OF}
        return {
            kinds[line.kind]: (line, await reader.words(scope.connection, line) if kinds[line.kind] in wanted else {})
            for line, _ in await store.newest_of(scope.connection, case.id, kinds)
        }

    async def _news(self, scope: Scope, case: Case, names: v.Names, seen: int) -> Sequence[v.Shown]:
        """What happened in the case itself since a version, the newest of it."""
        if seen >= case.version:
            return []
        lines = await store.timeline_page(scope.connection, case.id, LineFilter(), _NEWS)
        since = [line for line in lines if line.case_id == case.id and line.version > seen]
        return await opened_lines(scope, self.room.office.desk.files.reader, names, since, True)

    async def _known(
        self, request: Request, scope: Scope, case: Case, form: Form, act: str, actor: Actor, filled: Filled
    ) -> dict[str, str]:
        """What the file knows already, where the form asks for it."""
        facts = {_TODAY: local_day(scope.now).isoformat(), "officer": actor.name}
        facts["unit"] = self.room.names(request).unit(case.unit)
        needed = {asked.prefill for asked in form.fields if asked.prefill and "." not in asked.prefill}
        facts |= await self._reported(scope, case, actor, needed - {*facts, "services"})
        values: dict[str, str] = {}
        for asked in form.fields:
            source = asked.prefill or ""
            if asked.type == "rows" and source == "services":
                values |= self._services(self.room.names(request), case, filling.name_of(act, asked), asked)
            elif source in facts:
                values[filling.name_of(act, asked)] = facts[source]
            elif "." in source:
                number, _, code = source.partition(".")
                values |= _carried(asked, act, _answers(filled, number).get(code))
        return values

    def _services(self, names: v.Names, case: Case, name: str, asked: FormField) -> dict[str, str]:
        """A row for each service of the plan."""
        values: dict[str, str] = {}
        for number, service in enumerate(case.services):
            given = names.of(v.GIVEN, "given") + f" {format_date(service.done_on)}" if service.done_on else ""
            facts = {
                "service-kind": names.term("service-kinds", service.kind),
                "service-by": names.term("sectors", service.sector) if service.sector else names.unit(case.unit),
                "service-due": service.due.isoformat(),
                "service-given": given,
            }
            values |= {
                f"{name}.{number}.{column.code}": facts[column.prefill] for column in asked.fields if column.prefill
            }
        return values

    async def _reported(self, scope: Scope, case: Case, actor: Actor, needed: Collection[str]) -> dict[str, str]:
        """What the reports say of the child and of what happened, the first that says it; no more are opened than
        `needed`."""
        reader = self.room.office.desk.files.reader
        facts: dict[str, str] = {}
        for file in (await store.concerns_of(scope.connection, case.id))[:_REPORTS] if needed else ():
            if facts.keys() >= set(needed):
                break
            reading = await reader.shown(scope.connection, file, actor)
            told = {
                "what-happened": reading.what_happened,
                "measures-taken": reading.measures_taken,
                "received-at": local_day(file.concern.received_at).isoformat(),
                **_of_child(reading.child),
            }
            facts = {**{name: text for name, text in told.items() if text}, **facts}
        return facts

    def _render(
        self,
        request: Request,
        case: Case,
        form: Form,
        act: str,
        values: Mapping[str, str],
        sent: Typed | None,
        draft: Draft,
        before: Before,
        news: Sequence[v.Shown],
        closed: Violation | None,
        read: v.Shown | None,
    ) -> Response:
        given = filling.given(form, act, values)
        ratings: Mapping[str, Any] = {row: given.ratings[row] for row in given.ratings if given.ratings[row] in RATINGS}
        whole = bool(form.rated) and all(row.code in ratings for row in form.rated)
        changed = sent is not None and any(known.rule == "version-changed" for known in sent.violations)
        rows = {
            asked.code: filling.rows_of(asked, act, values) + 1 + (sent is not None and sent.more == asked.code)
            for asked in form.fields
            if asked.type == "rows"
        }
        return self.room.render(
            request,
            "cases/form.html",
            case=case,
            form=form,
            act=act,
            name_of=filling.name_of,
            values=typed(values),
            violations=[closed] if closed else sent.violations if sent else (),
            closed=closed is not None,
            missing=given.missing(form, act, language_of(request)),
            counted=totals(form.rated, ratings) if whole else None,
            rows=rows,
            draft=draft,
            before=typed(before.beside),
            news=news,
            read=read,
            changed=changed,
            ratings=RATINGS,
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = FormPages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/c/{key}/forms/{act}")
    async def page(request: Request, key: str, act: str, principal: SignedIn) -> Response:
        return await pages.page(request, key, act, principal)

    @router.post("/c/{key}/forms/{act}")
    async def submit(request: Request, key: str, act: str, principal: SignedIn) -> Response:
        return await pages.submit(request, key, act, principal, await form_of(request))

    return router


def _before(form: Form, act: str, filled: Filled) -> Before:
    """How this form was filled in last in this case; nothing, where its line does not say question by question."""
    line, words = filled.get(form.code, (None, {}))
    if line is None or "form" not in line.data:
        return Before()
    answers = answers_of(form, line.data, words)
    beside = dict(words.get("ratings") or {})
    if "level" in answers:
        beside["level"] = answers["level"]
    # An approved plan's services are on their way: a new plan names what is new.
    approval = filled.get(_APPROVAL)
    approved = approval is not None and approval[0].id > line.id
    carried = {
        asked.code: answers[asked.code]
        for asked in form.fields
        if asked.code in answers
        and asked.act not in _DECIDED_ANEW
        and asked.prefill not in (_TODAY, "officer", "services")
        and not (approved and asked.act == "services")
    }
    return Before(filling.flat(form, act, carried), beside)


def _answers(filled: Filled, code: str) -> dict[str, Any]:
    line, words = filled.get(code, (None, {}))
    form = answered.form_of(line.data) if line is not None else None
    return answers_of(form, line.data, words) if line is not None and form is not None else {}


def _carried(asked: FormField, act: str, value: Any) -> dict[str, str]:
    """An answer of another form, where it fits this question."""
    if isinstance(value, str) and asked.type in ("text", "long", "date"):
        return {filling.name_of(act, asked): value}
    return {}


def _of_child(child: ChildDescription | None) -> dict[str, str | None]:
    if child is None:
        return {}
    carers = [
        " · ".join(filter(None, (carer.name, carer.relation, carer.phone, carer.address))) for carer in child.carers
    ]
    return {
        "child-name": child.name,
        "child-birth-date": child.birth_date.isoformat() if child.birth_date else None,
        "child-age": str(child.age) if child.age is not None else None,
        "child-sex": None if child.sex == "unknown" else v.SEXES[child.sex],
        "child-address": child.address or child.hamlet,
        "child-school": " · ".join(filter(None, (child.school, child.grade))),
        "carers": "\n".join(filter(None, carers)),
    }
