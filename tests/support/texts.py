"""What the pages say, read out of the templates, and the English a package has for it."""

from __future__ import annotations

import ast
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


def said_in_code(package: str, *callers: str) -> set[str]:
    """Every text that the package's code asks a translation of by calling one of these names (`words`, `self`, …)."""
    said: set[str] = set()
    with resources.as_file(resources.files(package)) as folder:
        for module in Path(folder).rglob("*.py"):
            for call in ast.walk(ast.parse(module.read_text("utf-8"))):
                if isinstance(call, ast.Call) and call.args and _name_of(call.func) in callers:
                    first = call.args[0]
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        said.add(first.value)
    return said


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""
