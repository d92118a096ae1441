"""What follows from one statement alone: for whoever works it out ahead of the desk, beside it."""

from __future__ import annotations

from dataclasses import dataclass

from services.registry.domain.children import Known, Statement, compose
from services.registry.domain.traits import Traits, traits_of, with_keys
from shared.reference.trust import Trust


@dataclass(frozen=True, slots=True)
class Alone:
    """What a statement says on its own.

    `traits`: what tells its child apart. `known`: what is known of a child of whom nobody else says anything.
    """

    traits: Traits
    known: Known


def alone(said: Statement, trust: Trust) -> Alone:
    """The same for one statement, by an order of trust; its number and probability have no part in it."""
    traits = traits_of(said.description, said.unit, said.as_of)
    return Alone(with_keys(traits), compose([said], said.groups, trust=trust))
