"""Every text of the pages speaks both languages."""

from collections.abc import Iterator

import pytest

from services.cases import views
from services.cases.domain.rules import CONCERN_RULES, RULES
from tests.support.texts import english, said_in_templates


def said_in_tables() -> Iterator[str]:
    for table in vars(views).values():
        if isinstance(table, dict) and all(isinstance(key, str) for key in table):
            for value in table.values():
                text = value[0] if isinstance(value, tuple) else value
                if isinstance(text, str) and not text.isascii():
                    yield text


def test_every_text_has_its_english() -> None:
    said = {*said_in_templates("services.cases"), *said_in_tables()}
    assert len(said) > 100
    assert said - english(("services.cases", "shared.web")).keys() == set()


@pytest.mark.parametrize("act", [*RULES, *CONCERN_RULES])
def test_every_act_has_a_name_for_its_button(act: str) -> None:
    assert act in views.ACTS
