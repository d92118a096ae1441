"""What is worked out in a quicker way where there is much of it comes out as in the slow one."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

from bench import _slips
from bench._many_children import Child, children
from services.registry.domain.children import Statement, compose
from services.registry.domain.matching import POSSIBLE, compare, may_be
from services.registry.domain.traits import Traits, blocking_keys, claim_keys, search_keys, traits_of, with_keys
from shared.contracts.vocabulary import ChildDescription

DAY = date(2026, 11, 24)
_SLIPS = list(_slips.OF_A_NAME.values())


def misremembered(dice: random.Random, child: Child) -> ChildDescription:
    """The child with slips in its name, its carers' names, its birth and its number, or without them."""
    found = child.description
    if dice.random() < 0.6:
        found = found.model_copy(update={"name": dice.choice(_SLIPS)(dice, child.name)})
    if dice.random() < 0.1:
        found = found.model_copy(update={"name": f"{found.name} ({dice.choice(('Bin', 'Tôm', 'An'))})"})
    if dice.random() < 0.3:
        slip = dice.choice(_SLIPS)
        carers = [carer.model_copy(update={"name": slip(dice, carer.name or "")}) for carer in found.carers]
        found = found.model_copy(update={"carers": carers[:: dice.choice((1, -1))][: dice.choice((1, 2))]})
    if dice.random() < 0.3:
        found = found.model_copy(update={"number": None})
    if dice.random() < 0.3:
        day = child.birth_date + timedelta(days=dice.choice((1, -1, 10, 365)))
        found = found.model_copy(update={"birth_date": day})
    if dice.random() < 0.1:
        found = found.model_copy(update={"birth_date": None, "birth_precision": None, "age": 8})
    return found


def test_the_cheap_look_puts_nobody_aside_whom_the_comparison_would_leave() -> None:
    dice = random.Random(1)
    some = list(children(180, seed=7, units=("05443", "05446")))
    known = [traits_of(child.description, child.unit, DAY) for child in some]
    possible = kept = looked_at = 0
    for child in some:
        wanted = traits_of(misremembered(dice, child), dice.choice((child.unit, "05443", None)), DAY)
        for other in known:
            alike = compare(wanted, other).probability >= POSSIBLE
            stays = may_be(wanted, other)
            assert stays or not alike, (wanted, other)
            looked_at, possible, kept = looked_at + 1, possible + alike, kept + stays
    assert possible > 130
    assert kept < looked_at / 20  # or it would be of no use


def test_keys_worked_out_before_are_the_keys() -> None:
    for child in children(50, seed=3):
        traits = traits_of(child.description, child.unit, DAY)
        before = with_keys(traits)
        assert before == traits
        for keys in (search_keys, blocking_keys, claim_keys):
            assert keys(before) == keys(traits)
        other = Traits(name=traits.name, birth_date=traits.birth_date, birth_year=traits.birth_year)
        assert search_keys(other) != search_keys(before)


def test_what_one_source_says_is_known_as_beside_one_that_says_nothing() -> None:
    dice = random.Random(2)
    silent = Statement("silent", "health-record", "health", DAY, ChildDescription())
    for child in children(200, seed=5):
        description = misremembered(dice, child)
        if dice.random() < 0.2:
            twice = [*description.carers, *description.carers]
            description = description.model_copy(update={"carers": twice, "age": 9, "ethnicity": None})
        said = Statement("a", "commune-roster", "dolisa", DAY, description, dice.choice((child.unit, None)))
        known = compose([said], child.circumstances)
        slowly = compose([said, silent], child.circumstances)
        assert known == slowly
        assert known.description.model_dump() == slowly.description.model_dump()
        assert compose([replace(said, record_id="b")], before=known).sources.keys() == known.sources.keys()
