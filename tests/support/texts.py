"""What the pages say, read out of the templates, and the English a package has for it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from io import BytesIO
from pathlib import Path

from babel.messages.pofile import read_po
from jinja2 import Environment

_ENVIRONMENT = Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"], autoescape=True)


def said_in_templates(package: str) -> set[str]:
    """Every text that a template of the package asks a translation of; of a plural, its singular."""
    said: set[str] = set()
    with resources.as_file(resources.files(package)) as folder:
        for template in Path(folder, "templates").rglob("*.html"):
            for _line, _function, message in _ENVIRONMENT.extract_translations(template.read_text("utf-8")):
                text = message[0] if isinstance(message, tuple) else message
                if text:  # None where the words come from the code
                    said.add(text)
    return said


def english(packages: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Vietnamese text → its English, singular first, of all the packages' catalogues; untranslated texts left out."""
    known: dict[str, tuple[str, ...]] = {}
    for package in packages:
        catalogue = resources.files(package).joinpath("locale/en.po").read_bytes()
        for message in read_po(BytesIO(catalogue), locale="en"):
            text = message.id if isinstance(message.id, str) else message.id[0]
            words = (message.string,) if isinstance(message.string, str) else tuple(message.string)
            if text and all(words):
                known[text] = words
    return known
