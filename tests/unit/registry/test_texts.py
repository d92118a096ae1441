"""Every Vietnamese text of the registry's pages has its English."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.registry import views
from tests.support.texts import english, said_in_templates

REGISTRY = Path(views.__file__).parent
_MORE = (views.CAUSES, views.CASE_STATUSES, views.METHODS, views.SIDES, views.SAID_OF_UNKNOWN)


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


def test_what_speaks_for_one_child_stands_apart_from_what_speaks_against_it() -> None:
    assert views.sides(["name-same", "birth-date-differs", "carers-differ", "commune-same", "guard-birth-date"]) == {
        "alike": ["name-same", "commune-same"],
        "unlike": ["birth-date-differs", "carers-differ"],
    }, "a guard that only says a difference again is left out"
    assert views.sides(["name-near", "guard-twin-or-sibling", "guard-middle-name"]) == {
        "alike": ["name-near"],
        "unlike": ["guard-middle-name"],
        "unsure": ["guard-twin-or-sibling"],
    }
    assert sorted(said for side in views.sides(list(views.REASONS)).values() for said in side) == sorted(
        set(views.REASONS) - {"guard-birth-date", "guard-other-number", "guard-nickname"}
    )


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("NGUYỄN THỊ NGỌC ÁNH", "Nguyễn Thị Ngọc Ánh"),
        ("ma văn đức", "Ma Văn Đức"),
        ("nguyê\u0303n thi\u0323 a\u0301nh", "Nguyễn Thị Ánh"),
        ("H'MAI KSOR", "H'Mai Ksor"),
        ("Nguyễn THỊ Hoa", "Nguyễn THỊ Hoa"),
        ("Ma Văn An", "Ma Văn An"),
        (None, ""),
    ],
)
def test_a_name_in_one_kind_of_letters_is_shown_with_its_capitals(written: str | None, shown: str) -> None:
    assert views.called(written) == shown
