"""Every Vietnamese text of the registry's pages has its English."""

from __future__ import annotations

import re
from pathlib import Path

from services.registry import views
from tests.support.texts import english, said_in_templates

REGISTRY = Path(views.__file__).parent
_MORE = (views.CAUSES, views.CASE_STATUSES, views.METHODS)


def test_every_text_is_translated() -> None:
    used = said_in_templates("services.registry")
    for table in (views.SEXES, views.REGISTERS, views.FIELDS, views.REASONS, views.HISTORY, views.ACTS, *_MORE):
        used |= set(table.values())
    for table in (views.STATES, views.STATUSES, views.METHODS, views.WORK_LISTS, views.WITHDRAWN):
        used |= set(table.values())
    for table in (views.FIELD_RESULTS, views.ASKED, views.SAID):
        used |= set(table.values())
    assert len(used) > 100
    assert used - english(("services.registry", "shared.web")).keys() == set()


def test_every_reason_that_the_matcher_gives_has_words() -> None:
    source = (REGISTRY / "domain" / "matching.py").read_text("utf-8")
    about = "name|nickname|birth|age|number|carer|carers|commune|hamlet|sex|ethnicity|guard"
    given = set(re.findall(rf'"((?:{about})-[a-z-]+)"', source))
    assert given == set(views.REASONS)
