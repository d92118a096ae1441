"""A case put on paper: opens what the reader may read, in their name, and makes documents of it.

Whoever calls has decided that the reader may. Making the bytes is CPU work: it runs in threads, a few at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from services.cases import store
from services.cases.documents import (
    Answer,
    Block,
    Document,
    Event,
    Heading,
    Part,
    Row,
    Table,
    about,
    filled_of,
    form_code,
    paper,
    report,
    sheet,
    write_docx,
    write_pdf,
)
from services.cases.domain.model import Actor, Case
from services.cases.reading import Reader, Reading
from services.cases.store import ConcernFile, Line
from services.cases.views import SEXES, TASK_STATES, Names
from shared.contracts.vocabulary import ChildDescription, Parent, Person, ReportDetails
from shared.messaging.router import Scope
from shared.reference.calendar import LOCAL
from shared.reference.forms import Form, Forms
from shared.web.i18n import format_datetime, format_due

_FATHER = frozenset({"cha", "bố", "ba", "cha đẻ", "bố đẻ"})
_MOTHER = frozenset({"mẹ", "má", "mẹ đẻ"})


class Printing:
    """Papers of cases and reports.

    Args:
        reader: opens what was sealed. names: what codes are called, in Vietnamese. at_once: papers made at one time.
    """

    def __init__(self, reader: Reader, names: Names, at_once: int) -> None:
        self._reader = reader
        self._names = names
        self._gate = asyncio.Semaphore(at_once)

    def heading(self, scope: Scope, unit: str, code: str, actor: Actor, watermark: str = "") -> Heading:
        """What papers of a commune's case have at their head and foot. `unclassified` stays to be written."""
        known = "" if unit == "unclassified" else self._names.unit(unit)
        when = scope.now.astimezone(LOCAL).strftime("%H:%M ngày %d/%m/%Y")
        return Heading(known, code, f"Bản in lúc {when} bởi {actor.name or actor.id}", watermark)

    async def child(self, scope: Scope, case: Case) -> ChildDescription | None:
        """The child as the case's first report describes it."""
        file = await store.find_concern(scope.connection, case.concern_id)
        return (await self._reader.report(scope.connection, file)).child if file else None

    async def form(self, scope: Scope, line: Line, heading: Heading, child: ChildDescription | None) -> Document | None:
        """The form that a line of the timeline is, as it was filled in; None where it is none."""
        filled = filled_of(line, await self._reader.words(scope.connection, line))
        forms = Forms.load()
        if filled is None or filled.code not in forms.codes():
            return None
        edition = forms.edition(filled.code, filled.edition) if filled.edition else None
        form = edition or forms.form(filled.code, line.at.astimezone(LOCAL).date())
        return paper(form, filled, heading, line.at, line.who_name, child)

    def concern(self, file: ConcernFile, reading: Reading, heading: Heading) -> Document:
        """A report as form 01, as far as it was opened: its informant is kept apart from the case (form 01)."""
        form = Forms.load().form("01", file.concern.received_at.astimezone(LOCAL).date())
        answers = self._answers(file, reading, heading)
        if reading.reporter is not None:
            answers |= {
                "informant-name": reading.reporter.name,
                "informant-phone": reading.reporter.phone,
                "informant-address": reading.reporter.address,
            }
        return report(form, answers, heading, file.concern.received_at, "")

    async def sheet(self, scope: Scope, case: Case, lines: Sequence[Line], heading: Heading) -> Document:
        """The case's own sheet: facts, child, reports, clocks, tasks, and its whole timeline with words."""
        blocks: list[Block] = [Part("1. Thông tin chung"), *self._facts(case)]
        blocks += about(await self.child(scope, case))
        for file in await store.concerns_of(scope.connection, case.id):
            blocks += self._report(file, await self._reader.report(scope.connection, file))
        blocks += [Part("2. Thời hạn theo luật"), *self._clocks(case)]
        blocks += [Part("3. Các ngành được đề nghị"), *self._tasks(case)]
        blocks.append(Part("4. Diễn biến"))
        for line in reversed(lines):
            blocks.append(await self._event(scope, line))
        return sheet(heading, scope.now.astimezone(LOCAL).date(), blocks)

    async def pdf(self, papers: Sequence[Document]) -> bytes:
        """Papers as one PDF."""
        async with self._gate:
            return await asyncio.to_thread(write_pdf, papers)

    async def docx(self, papers: Sequence[Document]) -> bytes:
        """Papers as one DOCX."""
        async with self._gate:
            return await asyncio.to_thread(write_docx, papers)

    def _answers(self, file: ConcernFile, reading: Reading, heading: Heading) -> dict[str, Any]:
        concern, child = file.concern, reading.child or ChildDescription()
        carers: dict[str, list[Person]] = {"father": [], "mother": [], "carer": []}
        for carer in child.carers:
            relation = (carer.relation or "").strip().lower()
            carers["father" if relation in _FATHER else "mother" if relation in _MOTHER else "carer"].append(carer)
        told = {name: [_person(person) for person in people] for name, people in carers.items()}
        details = reading.details or ReportDetails()
        for name, parent in (("father", details.father), ("mother", details.mother)):
            if parent is not None and (said := _parent(parent)):
                told[name].insert(0, said)
        return {
            "receiving-body": f"Ủy ban nhân dân {heading.unit}" if heading.unit else None,
            "number": concern.code,
            "place": reading.unit_text or heading.unit or None,
            "channel": concern.channel,
            "received-at": concern.received_at,
            "child-name": child.name,
            "child-birth-date": child.birth_date,
            "child-age": child.age,
            "child-sex": SEXES[concern.sex if child.sex == "unknown" else child.sex],
            "child-place": child.address or child.hamlet,
            # What happened is no question of its own in form 01: it says how the child is.
            "child-condition": "\n".join(filter(None, (reading.what_happened, details.condition))) or None,
            "likely-consequence": details.consequence,
            "family-situation": details.family,
            "notes": details.notes,
            "help-given": reading.measures_taken,
            "kinds": list(file.kinds),
            **{name: "; ".join(people) or None for name, people in told.items()},
        }

    def _facts(self, case: Case) -> list[Block]:
        facts: Mapping[str, str | None] = {
            "Mã vụ việc": case.code,
            "Xã, phường chủ trì": self._names.unit(case.unit),
            "Loại xâm hại": self._names.term("case-kinds", case.kind),
            "Mức nguy cơ": self._names.term("risk-levels", case.risk),
            "Bước": self._names.term("case-steps", case.step),
            "Tiếp nhận lúc": format_datetime(case.received_at),
            "Mở vụ việc lúc": format_datetime(case.opened_at),
            "Cán bộ phụ trách": case.worker_name or None,
            "Giới tính": SEXES[case.sex],
            "Nhóm tuổi": case.age_band if case.age_band != "unknown" else None,
        }
        return [Answer(label, value) for label, value in facts.items() if value]

    def _report(self, file: ConcernFile, reading: Reading) -> list[Block]:
        concern = file.concern
        channel = self._names.term("channels", concern.channel)
        details = reading.details or ReportDetails()
        told = {
            "Sự việc": reading.what_happened,
            "Tình trạng của trẻ": details.condition,
            "Hậu quả có thể xảy ra": details.consequence,
            "Cha": _parent(details.father) if details.father else None,
            "Mẹ": _parent(details.mother) if details.mother else None,
            "Hoàn cảnh gia đình": details.family,
            "Ghi chú": details.notes,
            "Nơi xảy ra": reading.unit_text,
            "Hỗ trợ đã thực hiện": reading.measures_taken,
        }
        if reading.erased:
            told = {"Nội dung": "Thông tin cá nhân đã được xóa theo yêu cầu."}
        title = f"Báo tin {concern.code}, {format_datetime(concern.received_at)}, {channel}"
        return [Part(title), *(Answer(label, value) for label, value in told.items() if value)]

    def _clocks(self, case: Case) -> list[Block]:
        rows = [
            Row(
                (
                    self._names.deadline(clock.kind),
                    self._names.law(clock),
                    format_due("vi", clock.due),
                    self._names.term("deadline-states", clock.state),
                )
            )
            for clock in sorted(case.clocks, key=lambda clock: clock.due)
        ]
        return _listed(("Thời hạn", "Căn cứ", "Hạn", "Tình trạng"), rows, (3, 3.4, 1.8, 1.6))

    def _tasks(self, case: Case) -> list[Block]:
        rows = [
            Row(
                (
                    self._names.term("task-kinds", task.kind),
                    self._names.term("sectors", task.sector),
                    self._names.of(TASK_STATES, task.state),
                    format_datetime(task.answered_at or task.cancelled_at) or format_due("vi", task.due),
                )
            )
            for task in case.tasks
        ]
        return _listed(("Việc", "Ngành", "Tình trạng", "Hạn hoặc ngày trả lời"), rows, (3, 2, 1.6, 1.8))

    async def _event(self, scope: Scope, line: Line) -> Event:
        shown = self._names.line(line, await self._reader.words(scope.connection, line), format_datetime)
        words = [("", detail) for detail in shown.details if detail]
        if code := form_code(line):
            words.append(("", f"Xem bản in {'Mẫu ' + code if code.isdecimal() else 'biên bản'}."))
        return Event(format_datetime(line.at), shown.title, shown.who, (*words, *shown.words))


def forms_of(lines: Sequence[Line]) -> list[tuple[Line, Form, int]]:
    """The lines that are forms, newest first: the line, its form, and which version of that form in the case it is."""
    forms = Forms.load()
    counted: dict[str, int] = {}
    found: list[tuple[Line, Form, int]] = []
    for line in reversed(lines):
        code = form_code(line)
        if code is not None and code in forms.codes():
            counted[code] = counted.get(code, 0) + 1
            found.append((line, forms.form(code), counted[code]))
    return found[::-1]


def _listed(columns: Sequence[str], rows: Sequence[Row], widths: Sequence[float]) -> list[Block]:
    if not rows:
        return [Answer("Tình trạng", "Chưa có")]
    return [Table("", columns, rows, widths)]


def _parent(parent: Parent) -> str:
    age = f"{parent.age} tuổi" if parent.age and parent.age.isdecimal() else parent.age
    return ", ".join(part for part in (parent.name, age, parent.job) if part)


def _person(person: Person) -> str:
    return ", ".join(part for part in (person.name, person.relation, person.phone, person.address) if part)
