"""Official periods for people: what is closed and what can be, one period's figures and files, its revisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path, Request
from starlette.responses import RedirectResponse, Response

from services.stats.api.figures import Reader
from services.stats.api.periods import Code, EditionName, Revision
from services.stats.desk.period_reader import PeriodReader, Seen
from services.stats.desk.periods import REASONS, Periods
from services.stats.domain.closing import CLOSABLE, Change, Edition
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.domain.periods import Period, Span
from services.stats.exporting import FILES
from services.stats.exporting.labels import HIDDEN, Labels
from services.stats.exporting.report import target
from services.stats.views import Words
from shared.contracts.errors import Rejected, Violation
from shared.identity import Permission, Principal, SignedIn
from shared.messaging.router import Clock
from shared.privacy.signing import is_signed
from shared.reference.calendar import local_day
from shared.reference.indicators import Indicators
from shared.reference.terms import Terms
from shared.web.forms import form_of
from shared.web.pages import Pages, language_of

# How far back a period is offered to be closed; further back by the address of the program's interface.
_OFFERED: Final[tuple[tuple[Span, int], ...]] = (("month", 12), ("quarter", 4), ("half-year", 2), ("year", 3))
_MOST_CHANGES: Final = 200
Changed = Sequence[tuple[str, str, str, str, str]]


class PeriodPages:
    """Routes below `/stats/periods`.

    Args:
        periods: the desk. reader: what somebody may see. pages: renders. clock: now.
    """

    def __init__(self, periods: Periods, reader: PeriodReader, pages: Pages, clock: Clock) -> None:
        self._periods = periods
        self._reading = reader
        self._pages = pages
        self._clock = clock
        self.router = APIRouter(prefix="/periods", include_in_schema=False)
        self.router.add_api_route("", self.show, methods=["GET"])
        self.router.add_api_route("", self.close, methods=["POST"])
        self.router.add_api_route("/{code}", self.one, methods=["GET"])
        self.router.add_api_route("/{code}", self.revise, methods=["POST"])
        self.router.add_api_route("/{code}/{indicator}", self.breakdown, methods=["GET"])

    async def show(self, request: Request, principal: Reader) -> Response:
        """All closed periods, and the form that closes one."""
        return await self._list(request, principal)

    async def close(self, request: Request, principal: SignedIn) -> Response:
        """Ask for a closing."""
        values = await form_of(request)
        try:
            period = await self._periods.close(principal, values.get("period", ""))
        except Rejected as rejected:
            return await self._list(request, principal, rejected.violations)
        return RedirectResponse(f"/stats/periods/{period.code}", 303)

    async def one(
        self,
        request: Request,
        principal: Reader,
        code: Code,
        edition: EditionName = "",
        revision: Revision = None,
    ) -> Response:
        """One period's figures."""
        seen = await self._reading.see(principal, code, edition, revision)
        return await self._one(request, principal, code, seen)

    async def revise(self, request: Request, principal: SignedIn, code: Code) -> Response:
        """Ask for a revision."""
        values = await form_of(request)
        try:
            await self._periods.revise(principal, code, values.get("reason", ""), values.get("reference", "").strip())
        except Rejected as rejected:
            seen = await self._reading.see(principal, code)
            return await self._one(request, principal, code, seen, rejected.violations, values)
        return RedirectResponse(f"/stats/periods/{code}", 303)

    async def breakdown(
        self,
        request: Request,
        principal: Reader,
        code: Code,
        indicator: Annotated[str, Path(max_length=60)],
        edition: EditionName = "",
        revision: Revision = None,
    ) -> Response:
        """One indicator's figures of a period by each of its dimensions."""
        seen = await self._reading.see(principal, code, edition, revision)
        if seen.edition is None:
            raise HTTPException(404)
        labels = self._labels(request, seen.edition)
        named = labels.names.get(indicator)
        if named is None:
            raise HTTPException(404)
        dimensions = dict.fromkeys(
            one.dimension for one in labels.own() if one.indicator == indicator and one.dimension != TOTAL
        )
        divided = any(one.denominator is not None for one in labels.own() if one.indicator == indicator)
        tables = [
            (labels.words.dimension(name), _rows(labels, indicator, name, divided=divided)) for name in dimensions
        ]
        return self._pages.render(
            request,
            "stats/period_indicator.html",
            period=seen.edition.period,
            words=labels.words,
            edition=seen.edition,
            named=named,
            total=labels.told(labels.total(indicator)),
            measured_in=labels.measured_in(named),
            divided=divided,
            tables=tables,
            query=_query(seen.edition),
            HIDDEN=HIDDEN,
        )

    async def _list(self, request: Request, principal: Principal, violations: Sequence[Violation] = ()) -> Response:
        own = self._periods.sees_own(principal)
        standings = await self._periods.standings()
        closed = {one.period.code for one in standings}
        words = Words(self._pages.texts, language_of(request))
        may_close = self._periods.may_close(principal)
        today = local_day(self._clock())
        beginning = await self._periods.beginning()
        offered = [
            (period.code, words.period(period))
            for period in _offered(today)
            if period.code not in closed and beginning is not None and beginning <= period.last
        ]
        return self._pages.render(
            request,
            "stats/periods.html",
            standings=[one for one in standings if own or one.published_at],
            words=words,
            whole=self._periods.sees_exact(principal),
            offered=offered if may_close else [],
            may_close=may_close,
            violations=violations,
            status=422 if violations else 200,
        )

    async def _one(
        self,
        request: Request,
        principal: Principal,
        code: str,
        seen: Seen,
        violations: Sequence[Violation] = (),
        values: dict[str, str] | None = None,
    ) -> Response:
        standing = await self._periods.standing(code)
        if standing is None or (seen.edition is None and not self._periods.sees_own(principal)):
            raise HTTPException(404)
        language = language_of(request)
        labels = None if seen.edition is None else self._labels(request, seen.edition)
        own = None if seen.own is None else self._labels(request, seen.own)
        # Of somebody's own communes what was revised of them, and nothing of the others.
        signed, revised = seen.signed, own or labels
        return self._pages.render(
            request,
            "stats/period.html",
            standing=standing,
            words=Words(self._pages.texts, language),
            edition=seen.edition,
            signed=signed,
            sound=signed is not None and is_signed(signed.content, signed.signature, signed.public_key),
            ours=signed is not None and signed.public_key == self._periods.key.public,
            tables=[] if labels is None else list(_tables(labels)),
            columns=[] if labels is None else [labels.words.period(one) for one in labels.compared()],
            own=[] if own is None else _own(own),
            units=[] if own is None else [name for _, name in own.units()],
            changes=[] if revised is None else _changed(revised, revised.edition.changes),
            revised=None if revised is None else revised.edition,
            whole=self._periods.sees_exact(principal),
            may_close=self._periods.may_close(principal),
            files=list(FILES.values()) if principal.may(Permission.EXPORT_STATISTICS) else [],
            query="" if seen.edition is None else _query(seen.edition),
            reasons=[(reason, Terms.load(REASONS).label(reason, language)) for reason in Terms.load(REASONS).codes()],
            reason_of=lambda reason: Terms.load(REASONS).label(reason, language),
            violations=violations,
            values=values or {},
            HIDDEN=HIDDEN,
            status=422 if violations else 200,
        )

    def _labels(self, request: Request, edition: Edition) -> Labels:
        return Labels(edition, Words(self._pages.texts, language_of(request)), Indicators.load())


def _offered(today: date) -> Iterator[Period]:
    """Periods that are over, the last ones first."""
    for span, count in _OFFERED:
        assert span in CLOSABLE
        yield from reversed(Period.containing(today, span).previous.before(count))


def _tables(labels: Labels) -> Iterator[tuple[str, list[list[Any]]]]:
    """Indicators by theme: code, name, own figure with its unit, what it is compared with, target, verdict."""
    indicators = Indicators.load()
    language = labels.words.language
    for theme in dict.fromkeys(one.theme for one in labels.edition.indicators):
        rows = []
        for named in labels.edition.indicators:
            if named.theme != theme:
                continue
            own = labels.total(named.code)
            rows.append(
                [
                    named.code,
                    named.label(language),
                    labels.told(own),
                    [labels.amount(labels.total(named.code, period)) for period in labels.compared()],
                    target(labels, named),
                    named.verdict(own.value if own else None, labels.edition.period),
                ]
            )
        yield indicators.theme(theme, language), rows


def _own(labels: Labels) -> list[list[str]]:
    """Each indicator's figures of the communes that are somebody's own."""
    found = {(one.indicator, one.category): one for one in labels.own() if one.dimension == UNIT}
    rows = []
    for named in labels.edition.indicators:
        figures = [found.get((named.code, code)) for code, _ in labels.units()]
        if any(figures):
            name = named.label(labels.words.language)
            rows.append([name, labels.measured_in(named), *(labels.amount(figure) for figure in figures)])
    return rows


def _rows(labels: Labels, indicator: str, dimension: str, *, divided: bool) -> list[list[str]]:
    """A breakdown's lines: what, the figure, and of what is `divided` by what it is."""
    if dimension == UNIT:
        at = {figure.category: figure for figure in labels.of(indicator, UNIT)}
        figures = [(name, at[code]) for code, name in labels.units() if code in at]
    else:
        figures = [
            (labels.category(indicator, dimension, one.category), one) for one in labels.of(indicator, dimension)
        ]
    rows = []
    for name, figure in figures:
        row = [name, labels.amount(figure)]
        if divided:
            parts = (figure.numerator, figure.denominator)
            row.append(" / ".join(labels.words.whole(part) for part in parts if part is not None))
        rows.append(row)
    return rows


def _changed(labels: Labels, changes: Sequence[Change]) -> Changed:
    """The first of a revision's changes in words: indicator, period, category, before, after."""
    found = []
    for change in changes[:_MOST_CHANGES]:
        named = labels.names[change.indicator]
        where = labels.category(change.indicator, change.dimension, change.category) if change.dimension else ""
        before, after = (labels.words.number(named, value) for value in (change.before, change.after))
        if before == after:
            # It differs by less than is written.
            continue
        period = labels.words.period(Period.parse(change.period))
        found.append((named.label(labels.words.language), period, where, before, after))
    return found


def _query(edition: Edition) -> str:
    """What an address says of an edition."""
    if edition.audience == "published":
        return "?edition=published"
    return f"?edition=exact&revision={edition.edition}"
