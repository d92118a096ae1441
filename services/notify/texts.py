"""The words of notifications, from data: what happened, where to look, by when.

No identity can get in: a text knows four places only, all of them codes, names of communes or times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from string import Formatter
from typing import Any

import yaml

from shared.web.i18n import Language, format_due

PLACES = frozenset({"event", "case", "unit", "due"})


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said of one event type. `explanation` is for who chooses event types, `title` for who is told."""

    event_type: str
    explanation: Mapping[str, str]
    title: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fields:
    """All that a text may speak of."""

    event_type: str
    case_id: str | None
    unit_name: str
    due: datetime | None
    case_code: str | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of every event type that can be notified about."""

    wordings: Mapping[str, Wording]
    parts: Mapping[str, Mapping[str, str]]

    def title(self, fields: Fields, language: Language) -> str:
        """One line: what happened."""
        wording = self.wordings.get(fields.event_type)
        template = wording.title[language] if wording else self.parts["unknown"][language]
        return template.format_map(_places(fields, language))

    def explanation(self, event_type: str, language: Language) -> str:
        """What an event type means, for who chooses it; the type itself where there are no words for it."""
        wording = self.wordings.get(event_type)
        return wording.explanation[language] if wording else event_type

    def part(self, name: str, fields: Fields, language: Language) -> str:
        """Another sentence of a message, by its name in the data."""
        return self.parts[name][language].format_map(_places(fields, language))


def case_name(code: str | None, case_id: str | None) -> str:
    """What people call a case: its code; where an older event has none, the end of its id, in which ids made at the
    same moment differ."""
    if code:
        return code
    return case_id.replace("-", "")[-8:].upper() if case_id else ""


def _places(fields: Fields, language: Language) -> dict[str, str]:
    return {
        "event": fields.event_type,
        "case": case_name(fields.case_code, fields.case_id),
        "unit": fields.unit_name,
        "due": format_due(language, fields.due),
    }


@cache
def load_texts() -> Texts:
    """The committed texts. Errors: ValueError where one speaks of something it must not know."""
    document = _document("texts.yaml")
    wordings = {
        event_type: Wording(event_type, entry["explanation"], entry["title"])
        for event_type, entry in document["events"].items()
    }
    for words in [*(wording.title for wording in wordings.values()), *document["parts"].values()]:
        for language in ("vi", "en"):
            check_places(words[language])
    return Texts(wordings, document["parts"])


def check_places(template: str) -> None:
    """Errors: ValueError for a place that is not among the four, or that reaches into a value."""
    for _, place, form, conversion in Formatter().parse(template):
        if place is not None and (place not in PLACES or form or conversion):
            raise ValueError(f"A notification's text must not speak of «{place}»")


def _document(name: str) -> Any:
    return yaml.safe_load(resources.files(__package__).joinpath(name).read_text("utf-8"))
