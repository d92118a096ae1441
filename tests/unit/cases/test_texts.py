"""Every text of the pages speaks both languages."""

from collections.abc import Iterator
from importlib import resources
from io import BytesIO

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment

from services.cases import views
from services.cases.domain import forms
from services.cases.domain.rules import CONCERN_RULES, RULES

# Said by the shared components' own catalogue.
_SHARED = {"(nếu biết)"}


def said_in_templates() -> Iterator[str]:
    environment = Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"], autoescape=True)
    for template in resources.files("services.cases").joinpath("templates/cases").iterdir():
        for _line, _function, message in environment.extract_translations(template.read_text("utf-8")):
            first = message[0] if isinstance(message, tuple) else message
            if first is not None:
                yield first


def said_in_tables() -> Iterator[str]:
    for module in (views, forms):
        for table in vars(module).values():
            if isinstance(table, dict) and all(isinstance(key, str) for key in table):
                for value in table.values():
                    text = value[0] if isinstance(value, tuple) else value
                    if isinstance(text, str) and not text.isascii():
                        yield text


def test_every_text_has_its_english() -> None:
    po = resources.files("services.cases").joinpath("locale/en.po").read_bytes()
    english = {str(message.id): message.string for message in read_po(BytesIO(po)) if message.id}
    missing = {text for text in (*said_in_templates(), *said_in_tables()) if not english.get(text)} - _SHARED
    assert missing == set()


@pytest.mark.parametrize("act", [*RULES, *CONCERN_RULES])
def test_every_act_has_a_name_for_its_button(act: str) -> None:
    assert act in views.ACTS
