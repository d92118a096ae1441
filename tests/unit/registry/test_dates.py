"""Dates as people write them: what is one is read as it was meant, what is none is refused, and an age grows."""

from __future__ import annotations

from datetime import date

import pytest

from services.registry import views
from services.registry.domain.children import Known
from services.registry.domain.dates import read_birth, read_day, written_birth
from shared.contracts.vocabulary import ChildDescription


@pytest.mark.parametrize("text", ["5/9/2016", "05-09-2016", "05.09.2016", " 05 09 2016 ", "2016-09-05"])
def test_a_day_is_read_however_it_is_written(text: str) -> None:
    assert read_day(text) == date(2016, 9, 5)


@pytest.mark.parametrize("text", ["31/02/2016", "5/9/16", "٥/٩/٢٠١٦", "1/1/99999999999999999999", "0/0/0000", ""])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the calendar says it in words of its own
        read_day(text)


@pytest.mark.parametrize("text", ["05/09/2016", "09/2016", "2016"])
def test_a_birth_is_written_as_far_as_it_is_known_and_read_again(text: str) -> None:
    born, precision = read_birth(text)
    assert written_birth(ChildDescription(birth_date=born, birth_precision=precision)) == text


def test_an_age_that_was_told_once_grows_with_the_years() -> None:
    known = Known(ChildDescription(age=7), None, 2019, date(2026, 11, 1))
    assert (views.age(known, date(2026, 11, 24)), views.age(known, date(2028, 1, 5))) == (7, 9)
    assert views.age(Known(ChildDescription(), None, None, date(2026, 11, 1)), date(2026, 11, 24)) is None
