"""The words of notifications in the reader's language: titles, e-mail sentences, SMS, and a preview of each.

No identity can get in: a text knows seven places only, all of them codes, names of communes, numbers or times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from string import Formatter

from services.notify.domain.sms import SmsLength, length_of, plain, short
from services.notify.wordings import PARTS, WORDINGS, Wording
from shared.reference.notify_ladders import Ladders
from shared.web import i18n
from shared.web.i18n import Language, format_due

PLACES = frozenset({"event", "case", "unit", "due", "n", "what", "code"})
# Not more than this goes out as one SMS: a gateway charges each segment, and somebody reads it on a lock screen.
MOST_SEGMENTS = 2
# Whom an emergency wakes reads why: with all its marks and a link that is as long as the rest, that takes another.
MOST_OF_EMERGENCY = 3
_CALLED = "notify.emergency.called"
_DIGEST = "notify.digest"


@dataclass(frozen=True, slots=True)
class Fields:
    """All that a text may speak of. `count`: of how many one line speaks; `about`: the ladder of an
    emergency; `code`: what proves an address."""

    event_type: str
    case_id: str | None
    unit_name: str
    due: datetime | None
    case_code: str | None = None
    count: int = 1
    about: str | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Sms:
    """A text as it goes out, and how long it is."""

    text: str
    length: SmsLength


@dataclass(frozen=True, slots=True)
class Preview:
    """What people read of an event type, with made-up places."""

    event_type: str
    explanation: str
    title: str
    many: str
    lines: tuple[str, ...]
    sms: Sms
    sms_plain: Sms


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of every event type that can be notified about. `replies`: whether an SMS can be answered, so that one
    about an emergency says how."""

    wordings: Mapping[str, Wording]
    parts: Mapping[str, str]
    catalogue: i18n.Texts = field(repr=False)
    replies: bool = False

    def title(self, fields: Fields, language: Language) -> str:
        """One line: what happened; of several, how many."""
        wording = self.wordings.get(fields.event_type)
        if wording is None:
            return self._say(self.parts["unknown"], fields, language)
        template = wording.title
        if fields.count > 1 and fields.event_type != _DIGEST:
            template = wording.many or "{n}: " + wording.explanation
        return self._say(template, fields, language)

    def by_when(self, event_type: str, due: datetime | None) -> datetime | None:
        """Until when somebody has to act: the date that an event brings, None where it says that all is over."""
        wording = self.wordings.get(event_type)
        return None if wording is not None and wording.over else due

    def explanation(self, event_type: str, language: Language) -> str:
        """What an event type means, for who chooses it; the type itself where there are no words for it."""
        wording = self.wordings.get(event_type)
        return self.catalogue.gettext(language, wording.explanation) if wording else event_type

    def part(self, name: str, fields: Fields, language: Language) -> str:
        """Another sentence of a message, by its name."""
        return self._say(self.parts[name], fields, language)

    def lines(self, fields: Fields, language: Language, link: str, acknowledge: str | None = None) -> list[str]:
        """A message's body: what happened, where, by when, where to look; of an emergency, how to acknowledge it."""
        found = [self.title(fields, language) + "."]
        if fields.unit_name:
            found.append(self.part("where", fields, language))
        if self.by_when(fields.event_type, fields.due):
            found.append(self.part("by-when", fields, language))
        found += ["", self.part("look", fields, language), link]
        if acknowledge is not None:
            found += ["", self.part("acknowledge", fields, language), acknowledge]
        return found

    def sms(
        self, fields: Fields, language: Language, link: str, *, unmarked: bool, acknowledge: str | None = None
    ) -> Sms:
        """An SMS: what happened in a few words, a case's number, by when, one link. No commune, and nothing of a child.

        In: `unmarked`: Vietnamese without its marks. Of an emergency the link is the one that acknowledges.
        """
        wording = self.wordings.get(fields.event_type)
        template = (wording.short or wording.explanation) if wording else self.parts["unknown"]
        what = self._say(template, replace(fields, unit_name=""), language) + "."
        name = "sms-look"
        if acknowledge:
            name = "sms-acknowledge-or-reply" if self.replies else "sms-acknowledge"
        end = self.part(name, fields, language)
        if self.by_when(fields.event_type, fields.due):
            end = f"{self.part('sms-due', fields, language)}. {end}"
        if unmarked and language == "vi":
            what, end = plain(what), plain(end)
        most = MOST_OF_EMERGENCY if acknowledge else MOST_SEGMENTS
        said = short(what, most, keep=f"{end} {acknowledge or link}")
        return Sms(said, length_of(said))

    def preview(
        self, event_type: str, language: Language, base_url: str, unit_name: str, about: str = "child-in-danger"
    ) -> Preview | None:
        """What people read of an event type; None where there are no words for it. In: `about`: the ladder whose calls
        they are."""
        wording = self.wordings.get(event_type)
        if wording is None:
            return None
        sample = Fields(
            event_type,
            "0195a000-0000-7000-8000-00000000abcd",
            unit_name,
            datetime(2026, 3, 2, 8, tzinfo=UTC),
            "TN-2026-000328",
            count=37 if event_type == _DIGEST else 1,
            about=about,
            code="123456",
        )
        link = f"{base_url}/cases/c/TN-2026-000328"
        acknowledge = f"{base_url}/notify/a/{'x' * 44}" if event_type == _CALLED else None
        return Preview(
            event_type,
            self.explanation(event_type, language),
            self.title(sample, language),
            self.title(replace(sample, count=37), language) if wording.many else "",
            tuple(self.lines(sample, language, link, acknowledge)),
            self.sms(sample, language, link, unmarked=False, acknowledge=acknowledge),
            self.sms(sample, language, link, unmarked=True, acknowledge=acknowledge),
        )

    def _say(self, text: str, fields: Fields, language: Language) -> str:
        return self.catalogue.gettext(language, text).format_map(self._places(fields, language))

    def _places(self, fields: Fields, language: Language) -> dict[str, str]:
        return {
            "event": fields.event_type,
            "case": case_name(fields.case_code, fields.case_id),
            "unit": fields.unit_name,
            "due": format_due(language, fields.due),
            "n": i18n.format_number(language, fields.count),
            "what": self._what(fields.about, language),
            "code": fields.code,
        }

    def _what(self, ladder: str | None, language: Language) -> str:
        """What an emergency is, as the reference data calls its ladder."""
        known = Ladders.load()
        if ladder is None or ladder not in known:
            return ""
        return known[ladder].vi if language == "vi" else known[ladder].en


def case_name(code: str | None, case_id: str | None) -> str:
    """What people call a case: its code; where an older event has none, the end of its id, in which ids made at the
    same moment differ."""
    if code:
        return code
    return case_id.replace("-", "")[-8:].upper() if case_id else ""


@cache
def load_texts(*, replies: bool = False) -> Texts:
    """The texts. In: whether an SMS can be answered. Errors: ValueError where one speaks of something it must not
    know."""
    for wording in WORDINGS.values():
        for text in (wording.explanation, wording.title, wording.short, wording.many):
            check_places(text)
    for text in PARTS.values():
        check_places(text)
    return Texts(WORDINGS, PARTS, i18n.Texts(("services.notify",)), replies)


def check_places(template: str) -> None:
    """Errors: ValueError for a place that is not among the seven, or that reaches into a value."""
    for _, place, form, conversion in Formatter().parse(template):
        if place is not None and (place not in PLACES or form or conversion):
            raise ValueError(f"A notification's text must not speak of «{place}»")
