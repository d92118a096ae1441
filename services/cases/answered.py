"""A filled-in form in words: each answer with the form's own label, and what one version changed of the one before.

What a field means is the form's data: one that a province added is shown as the shipped ones are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.cases.domain.forms import COARSE, answers_of
from shared.reference.forms import Form, FormField, Forms
from shared.reference.terms import Terms
from shared.web.i18n import DEFAULT_LANGUAGE, format_date, format_number

_YES_NO: Mapping[str, tuple[str, str]] = {"vi": ("Có", "Không"), "en": ("Yes", "No")}


def form_of(data: Mapping[str, Any]) -> Form | None:
    """The edition that a line of the timeline was filled in from; the last one where its edition is no more."""
    code = data.get("form")
    forms = Forms.load()
    if not isinstance(code, str) or code not in forms.codes():
        return None
    return forms.edition(code, date.fromisoformat(data["form_of"])) or forms.form(code)


def in_words(asked: FormField, value: Any, language: str) -> str:
    """One answer as people read it; the rows of a group one a line."""
    if asked.type == "rows" and isinstance(value, list):
        return "\n".join(filter(None, (_row(asked.fields, row, language) for row in value)))
    if asked.type == "choices" and isinstance(value, list):
        return "; ".join(_term(asked, code, language) for code in value)
    if asked.type == "choice":
        return _term(asked, value, language)
    if isinstance(value, bool):
        return _YES_NO["en" if language == "en" else "vi"][0 if value else 1]
    if asked.type == "date" and isinstance(value, str):
        return format_date(date.fromisoformat(value))
    if isinstance(value, int | float):
        return format_number("en" if language == "en" else DEFAULT_LANGUAGE, value)
    return str(value)


def said(form: Form, words: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    """The sealed answers of a line with their labels, in the form's order; ratings before the level."""
    shown: list[tuple[str, str]] = []
    for asked in form.fields:
        if asked.act == "level":
            shown += _rated(form, words, language)
        if asked.act not in COARSE and asked.code in words:
            shown.append((asked.label(language), in_words(asked, words[asked.code], language)))
    return shown


def changed(
    before: tuple[Form, Mapping[str, Any], Mapping[str, Any]],
    after: tuple[Form, Mapping[str, Any], Mapping[str, Any]],
    language: str,
) -> list[tuple[str, str, str]]:
    """What a version changed of the one before. In: form, data, words of both. Out: label, before, after."""
    earlier, later = _all(*before, language), _all(*after, language)
    codes = [code for code in dict.fromkeys((*later, *earlier)) if earlier.get(code) != later.get(code)]
    nothing = ("", "")
    return [
        (
            (later.get(code) or earlier.get(code) or nothing)[0],
            earlier.get(code, nothing)[1],
            later.get(code, nothing)[1],
        )
        for code in codes
    ]


def _all(form: Form, data: Mapping[str, Any], words: Mapping[str, Any], language: str) -> dict[str, tuple[str, str]]:
    """Label and text of everything that was answered, by field or rated row."""
    answers = answers_of(form, data, words)
    shown = {f"ratings.{label}": (label, text) for label, text in _rated(form, words, language)}
    for asked in form.fields:
        if asked.code in answers:
            shown[asked.code] = (asked.label(language), in_words(asked, answers[asked.code], language))
    return shown


def _rated(form: Form, words: Mapping[str, Any], language: str) -> Sequence[tuple[str, str]]:
    ratings = words.get("ratings") or {}
    levels = Terms.load("risk-levels")
    return [
        (row.label(language), levels.label(ratings[row.code], language)) for row in form.rated if row.code in ratings
    ]


def _row(columns: Sequence[FormField], row: Mapping[str, Any], language: str) -> str:
    parts = [
        f"{column.label(language)}: {in_words(column, row[column.code], language)}"
        for column in columns
        if column.code in row
    ]
    return "; ".join(parts)


def _term(asked: FormField, code: Any, language: str) -> str:
    return Terms.load(asked.terms or "").label(str(code), language)
