"""Every Vietnamese text of the registry's pages has its English."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.pofile import read_po

import shared.web
from services.registry import views

REGISTRY = Path(views.__file__).parent
SHELL = Path(shared.web.__file__).parent


def translated(path: Path) -> set[str]:
    with path.open("rb") as file:
        return {message.id for message in read_po(file, locale="en") if isinstance(message.id, str) and message.string}


def test_every_text_is_translated() -> None:
    used: set[str] = set()
    for template in (REGISTRY / "templates").rglob("*.html"):
        found = re.findall(r"""\b_\((?:"([^"]*)"|'([^']*)')""", template.read_text("utf-8"))
        used |= {one or other for one, other in found}
    for table in (views.SEXES, views.REGISTERS, views.FIELDS, views.REASONS, views.HISTORY, views.ACTS):
        used |= set(table.values())
    assert len(used) > 100
    assert used - translated(REGISTRY / "locale" / "en.po") - translated(SHELL / "locale" / "en.po") == set()


def test_every_reason_that_the_matcher_gives_has_words() -> None:
    source = (REGISTRY / "domain" / "matching.py").read_text("utf-8")
    given = set(
        re.findall(r'"((?:name|birth|age|number|carer|carers|commune|hamlet|sex|ethnicity|guard)-[a-z-]+)"', source)
    )
    assert given == set(views.REASONS)
