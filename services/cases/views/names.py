"""Codes in the reader's language, and the lines of a timeline ready to be shown. It holds no rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from services.cases import answered
from services.cases.domain.forms import COARSE, RATINGS
from services.cases.domain.model import COMMUNE, ZONE, Clock
from services.cases.store import Line
from services.cases.views.texts import (
    CALL_ANSWERS,
    CALL_CHANNELS,
    CONFIRMED,
    DOCUMENT_KINDS,
    GROUNDS,
    LEFT,
    NAMED_NO_MORE,
    ROLES,
    TASK_CAUSES,
    TITLES,
    VERDICTS,
    WEEKDAYS,
    WORDS,
)
from shared.reference.deadlines import Deadlines
from shared.reference.terms import Terms, answers_in
from shared.reference.units import UNCLASSIFIED
from shared.web.i18n import Language, format_date, format_due


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the timeline, in the reader's language.

    Of a form: its code, which time it was filled in, and what changed against the time before (label, before, after).
    `version`: the case's, after what the line tells.
    """

    when: datetime
    title: str
    tone: str
    who: str
    details: Sequence[str] = ()
    kind: str = ""
    task_id: str | None = None
    words: Sequence[tuple[str, str]] = field(default_factory=list)
    form: str = ""
    edition: int = 0
    changed: Sequence[tuple[str, str, str]] = ()
    version: int = 0
    id: int = 0
    fresh: bool = False
    cut: bool = False


# What stands around a labelled text in a page.
_MARKS = 100


def shortened(line: Shown, longest: int) -> Shown:
    """A line whose texts are cut at a length, saying so; nothing of what a form says where that is 0."""
    if all(len(said) <= longest for said in _texts(line)):
        return line
    if line.form and not longest:
        return replace(line, words=(), changed=(), cut=True)
    return replace(
        line,
        words=[(name, _cut(said, longest)) for name, said in line.words],
        changed=[(name, _cut(was, longest), _cut(now, longest)) for name, was, now in line.changed],
        cut=True,
    )


def length(line: Shown) -> int:
    """About how much room a line's texts take in a page: their characters with their labels and marks."""
    labels = [name for name, *_ in (*line.words, *line.changed)]
    return sum(map(len, (*_texts(line), *labels))) + _MARKS * len(labels)


def _texts(line: Shown) -> list[str]:
    return [said for _, said in line.words] + [said for _, *both in line.changed for said in both]


def _cut(said: str, longest: int) -> str:
    return said if len(said) <= longest else said[:longest].rsplit(" ", 1)[0]


class Names:
    """What codes are called in one language.

    Args:
        say: a msgid in the language. language: vi or en. unit_name: a commune's name in a language.
    """

    def __init__(
        self, say: Callable[[str], str], language: Language, unit_name: Callable[[str | None, Language], str]
    ) -> None:
        self._say = say
        self._language = language
        self._unit_name = unit_name
        self._deadlines = Deadlines.load()

    def say(self, text: str) -> str:
        """A msgid in the language."""
        return self._say(text)

    def of(self, names: Mapping[str, Any], code: str | None) -> str:
        """The name of a code in one of this module's tables; the code itself where it is not there."""
        found = names.get(code or "")
        if found is None:
            return code or ""
        return self._say(found[0] if isinstance(found, tuple) else found)

    def options(self, names: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Pairs for a choice."""
        return [(code, self.of(names, code)) for code in names]

    def term(self, name: str, code: str) -> str:
        """The name of a code of the reference data."""
        return Terms.load(name).label(code, self._language)

    def sector(self, code: str) -> str:
        """A sector's name; the commune's own, where a task is left to it."""
        return self._say("Xã, phường chủ trì") if code == COMMUNE else self.term("sectors", code)

    def terms(self, name: str) -> list[tuple[str, str]]:
        """Pairs for a choice among the reference data's codes, without those that nobody chooses."""
        terms = Terms.load(name)
        return [(code, self.term(name, code)) for code in terms.codes() if terms.get(code, "offered") is not False]

    def care_authorities(self, on: date) -> list[tuple[str, list[tuple[str, str]]]]:
        """Who decides on each kind of alternative care on a day, each with the law; nobody where none is known."""
        offices = Terms.load("care-authorities")
        source = "legal_source_vi" if self._language == "vi" else "legal_source_en"
        return [
            (
                name,
                [
                    (offices.label(code, self._language), str(offices.get(code, source)))
                    for code in offices.codes(on)
                    if care in offices.get(code, "care")
                ],
            )
            for care, name in self.terms("care-kinds")
        ]

    def answers(self, name: str) -> list[tuple[str, str]]:
        """Pairs for a choice in a form: what it may be answered with."""
        return [(code, self.term(name, code)) for code in answers_in(name)]

    def deadline(self, kind: str) -> str:
        """What a clock of the law waits for."""
        return self._deadlines.label(kind, self._language)

    def law(self, clock: Clock) -> str:
        """Where the law says so; as the clock remembers it, where its kind is in the data no more."""
        if clock.kind not in self._deadlines.kinds():
            return clock.legal_source
        return self._deadlines.legal_source(clock.kind, clock.started_at, self._language, clock.set_by)

    def pause_law(self, clock: Clock) -> str:
        """By what law a clock may stand still."""
        if clock.kind not in self._deadlines.kinds():
            return ""
        return self._deadlines.pause_source(clock.kind, clock.started_at, self._language)

    def age_band(self, band: str) -> str:
        """A span of years as people write it."""
        return "–" if band == "unknown" else band.replace("-", "–")

    def unit(self, code: str | None) -> str:
        """A commune's name; words where it is not known."""
        return self._unit_name(code or UNCLASSIFIED, self._language)

    def again(
        self,
        shown: Shown,
        number: int,
        filled: tuple[Line, Mapping[str, Any]],
        before: tuple[Line, Mapping[str, Any]] | None,
    ) -> Shown:
        """A shown line that is a form, with which time it was filled in and what changed since the time before.

        In: both lines with their opened words.
        """
        form = answered.form_of(filled[0].data)
        earlier = answered.form_of(before[0].data) if before else None
        if form is None or earlier is None or before is None:
            return replace(shown, edition=number)
        changes = answered.changed(
            (earlier, before[0].data, before[1]), (form, filled[0].data, filled[1]), self._language
        )
        return replace(shown, edition=number, changed=changes)

    def day(self, day: date, today: date) -> str:
        """A day as people say it: today, yesterday, else with its weekday."""
        if day == today:
            return self._say("Hôm nay")
        if day == today - timedelta(days=1):
            return self._say("Hôm qua")
        return f"{self._say(WEEKDAYS[day.weekday()])}, {format_date(day)}"

    def hour(self, at: datetime) -> str:
        """The time of a day, to the minute, where people live by it."""
        return at.astimezone(ZONE).strftime("%H:%M")

    def line(self, line: Line, words: Mapping[str, Any], when: Callable[[datetime], str]) -> Shown:
        """A line of the timeline with its opened words."""
        title, tone = TITLES.get(line.kind, (line.kind, "plain"))
        form = answered.form_of(line.data)
        return Shown(
            when=line.at,
            title=self._say(title),
            tone=tone,
            who=line.who_name or (self.sector(line.sector) if line.sector else ""),
            kind=line.kind,
            task_id=line.data.get("task_id"),
            details=self._details(line, when),
            words=answered.said(form, words, self._language) if form else self._words(words),
            form=form.code if form else "",
            version=line.version,
            id=line.id,
        )

    def _details(self, line: Line, when: Callable[[datetime], str]) -> list[str]:
        data = line.data
        due = format_due(self._language, datetime.fromisoformat(data["due"])) if data.get("due") else ""
        if line.kind.startswith("deadline."):
            reason = [self.term("pause-reasons", data["reason"])] if data.get("reason") else []
            return [self.deadline(data["kind"]), f"{self._say('Hạn')}: {due}", *reason]
        if line.kind.startswith("task."):
            sector = self.sector(line.sector) if line.sector else ""
            then = self.of(TASK_CAUSES, data["cause"]) if data.get("cause") else f"{self._say('Hạn')}: {due}"
            proposed = data.get("proposed")
            later = format_due(self._language, datetime.fromisoformat(proposed)) if proposed else ""
            asked = [f"{self._say('Đề xuất')}: {later}"] if proposed else []
            return [f"{self.term('task-kinds', data['kind'])} · {sector}", then, *asked]
        if line.kind.startswith("conference."):
            invited = ", ".join(self.sector(code) for code in data["sectors"])
            return [f"{self._say('Giờ họp')}: {when(datetime.fromisoformat(data['meets_at']))}", invited]
        if line.kind.startswith("called."):
            return self._called(data)
        if data.get("form"):
            return self._filled(data)
        told: Callable[[], str] | None = {
            "facts.verified": lambda: self.of(CONFIRMED, str(data["confirmed"])),
            "separation.extended": lambda: f"{self._say('Hạn')}: {due}",
            "service.provided": lambda: (
                f"{self.term('service-kinds', data['service'])}"
                f" · {format_date(date.fromisoformat(data['provided_on']))}"
            ),
            "service.withdrawn": lambda: self.term("service-kinds", data["service"]),
            "receipt.corrected": lambda: " → ".join(when(datetime.fromisoformat(data[at])) for at in ("from", "to")),
            "case.closed": lambda: self.term("case-outcomes", data["outcome"]),
            "case.transferred": lambda: f"{self.unit(data['from_unit'])} → {self.unit(data['to_unit'])}",
            "case.merged": lambda: data["into"],
            "case.took-over": lambda: data["code"],
            "case.assigned": lambda: (
                self.term("reassign-reasons", data["reason"]) if data.get("reason") else self.of(GROUNDS, data["how"])
            ),
            "team.requested": lambda: self.of(ROLES, data["role"]),
            "team.joined": lambda: f"{self.of(ROLES, data['role'])} · {self.of(GROUNDS, data['how'])}",
            "team.left": lambda: f"{self.of(ROLES, data['role'])} · {self.of(LEFT, data['cause'])}",
            "access.broken-glass": lambda: (
                f"{self.term('access-purposes', data['purpose'])} · {self._say('Mở đến')} "
                f"{when(datetime.fromisoformat(data['until']))}"
            ),
            "access.reviewed": lambda: self.of(VERDICTS, data["verdict"]),
            "case.unmerged": lambda: data["code"],
            "case.gave-back": lambda: data["code"],
            "sibling.linked": lambda: data["code"],
            "sibling.unlinked": lambda: data["code"],
            "ban.granted": lambda: f"{self._say('Đến')} {due}",
            "care.decided": lambda: self.term("care-kinds", data["care"]),
            "care.handed-over": lambda: self.term("care-kinds", data["care"]),
            "care.moved": lambda: self.term("care-kinds", data["care"]),
            "care.ended": lambda: self.term("care-kinds", data["care"]),
            "handover.offered": lambda: self.unit(data["to_unit"]),
            "handover.accepted": lambda: self.unit(data["to_unit"]),
            "handover.declined": lambda: self.unit(data["to_unit"]),
            "handover.withdrawn": lambda: self.unit(data["to_unit"]),
            "report.linked": lambda: data["code"],
            "siblings.linked": lambda: ", ".join(data["codes"]),
            "report.corrected": lambda: self._say(NAMED_NO_MORE) if data.get("removed") else "",
            "document.added": lambda: self.of(DOCUMENT_KINDS, data["document_kind"]),
            "document.removed": lambda: self.of(DOCUMENT_KINDS, data["document_kind"]),
            "case.reclassified": lambda: (
                f"{self.term('case-kinds', data['from_kind'])}, {self.term('risk-levels', data['from_risk'])}"
                f" → {self.term('case-kinds', data['kind'])}, {self.term('risk-levels', data['risk'])}"
            ),
        }.get(line.kind)
        return [told()] if told else []

    def _called(self, data: Mapping[str, Any]) -> list[str]:
        """Who was called, over what, or how somebody answered."""
        said = [self.of(ROLES, data["role"])] if data.get("role") else []
        if data.get("channels"):
            said.append(", ".join(self.of(CALL_CHANNELS, channel) for channel in data["channels"]))
        if "people" in data and not data["people"]:
            said.append(self._say("Không có ai để gọi"))
        if data.get("round"):
            said.append(self._say("Gọi lại lần {n}").replace("{n}", str(data["round"])))
        if data.get("how"):
            said.append(self.of(CALL_ANSWERS, data["how"]))
        return said

    def _filled(self, data: Mapping[str, Any]) -> list[str]:
        """A form's coarse answers with its own labels, and its totals."""
        form = answered.form_of(data)
        told = [
            f"{asked.label(self._language)}: {answered.in_words(asked, data[asked.act], self._language)}"
            for asked in (form.fields if form else ())
            if asked.act in COARSE and data.get(asked.act)
        ]
        return [*told, self._totals(data)] if "harm" in data else told

    def _totals(self, data: Mapping[str, Any]) -> str:
        def half(name: str) -> str:
            counted = data[name]
            return ", ".join(f"{self.term('risk-levels', level).lower()} {counted[level]}" for level in RATINGS)

        return f"{self._say('Tổn hại')}: {half('harm')} · {self._say('Khả năng tự bảo vệ')}: {half('protection')}"

    def _words(self, words: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(self.of(WORDS, name), str(value)) for name, value in words.items() if value]
