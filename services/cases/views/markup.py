"""What templates ask: where an act is done, which rendered field is wrong and gets the focus, how much is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from services.cases.store import MOST_COUNTED
from shared.contracts.errors import Violation
from shared.reference.forms import Forms

# `autofocus` where there are no scripts; the shell's script looks for the other.
_FOCUS = Markup(" autofocus data-focus")
# The rule by which an act is refused whose page was made before another\'s act.
LATE = "version-changed"


def act_address(case_id: str, act: str | None = None) -> str:
    """Where an act is done: its form's page, else the case's page with it open; without an act, that page."""
    page = f"/cases/c/{case_id}"
    if not act:
        return page
    return f"{page}/forms/{act}" if Forms.load().of_act(act) is not None else f"{page}?act={act}#act-{act}"


def capped(n: int) -> str:
    """A number of new lines, as far as it was counted."""
    return f"{MOST_COUNTED - 1}+" if n >= MOST_COUNTED else str(n)


def beside_no_field(violations: Sequence[Violation], fields: str) -> list[Violation]:
    """What is wrong with a form and not said beside one of its rendered fields; that somebody was faster is said by a
    notice of its own."""
    return [
        known
        for known in violations
        if known.rule != LATE and f'id="f-{known.field.replace(".", "-")}-error"' not in fields
    ]


def is_late(violations: Sequence[Violation]) -> bool:
    """Whether nothing was written because somebody else was faster."""
    return any(known.rule == LATE for known in violations)


def words_typed(values: Mapping[str, str]) -> list[str]:
    """What somebody wrote into a form in words of their own; codes, days and the form's machinery are left out."""
    start = f"{values.get('act', '')}."
    return [text for name, text in values.items() if name.startswith(start) and " " in text.strip()]


def focus_first(fields: Markup) -> Markup:
    """Rendered fields, the first wrong one focused when the page opens: of several choices, the first."""
    before, wrong, after = fields.partition(' aria-invalid="true"')
    if not wrong:
        return fields
    if before[before.rfind("<") :].startswith("<fieldset"):
        between, choice, rest = after.partition("<input")
        return before + wrong + between + choice + _FOCUS + rest
    return before + wrong + _FOCUS + after


def focus_start(fields: Markup) -> Markup:
    """Rendered fields, the first of them focused when the page opens."""
    before, found, after = fields.partition("<input ")
    return before + found + _FOCUS[1:] + " " + after if found else fields
