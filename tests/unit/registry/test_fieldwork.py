"""What an answer given at a child's home comes to."""

import pytest

from services.registry.domain.fieldwork import ASKED, Asked, Said, read
from shared.contracts.errors import Rejected

KNOWN: dict[Asked, str] = dict.fromkeys(ASKED, "") | {"name": "Trần Văn Bình", "school": "TH Núi Tân"}


def test_wrong_beside_the_very_same_text_is_asked_again_and_never_taken_for_right() -> None:
    with pytest.raises(Rejected) as refused:
        read(KNOWN, {"school": "wrong"}, {"school": " TH  Núi Tân "}, KNOWN)
    assert [(said.field, said.rule) for said in refused.value.violations] == [("school", "fix-unchanged")]


def test_a_correction_that_somebody_else_made_meanwhile_is_confirmed() -> None:
    now = KNOWN | {"school": "TH Tân Lập"}
    assert read(now, {"school": "wrong"}, {"school": "TH Tân Lập"}, KNOWN).confirmed == ("school",)


def test_what_ended_is_emptied_and_what_a_child_cannot_be_without_is_not() -> None:
    assert read(KNOWN, {"school": "wrong"}, {"school": ""}, KNOWN).fixes == {"school": ""}
    with pytest.raises(Rejected):
        read(KNOWN, {"name": "wrong"}, {"name": ""}, KNOWN)


def test_what_is_not_known_is_not_confirmed_but_that_no_circumstance_is_recorded_is() -> None:
    everything: dict[Asked, Said] = dict.fromkeys(ASKED, "right")
    assert read(KNOWN, everything, {}, KNOWN).confirmed == ("name", "school", "circumstances")
    with pytest.raises(Rejected):
        read(KNOWN, {"hamlet": "right"}, {}, KNOWN)


def test_whoever_adds_to_what_is_not_known_says_what() -> None:
    assert read(KNOWN, {"carers": "wrong"}, {"carers": "Lý Thị Lan, mẹ"}, KNOWN).fixes == {"carers": "Lý Thị Lan, mẹ"}
    with pytest.raises(Rejected) as refused:
        read(KNOWN, {"carers": "wrong"}, {"carers": ""}, KNOWN)
    assert refused.value.violations[0].rule == "fix-missing"
