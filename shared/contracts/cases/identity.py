"""A case is opened; who its child is, and whose siblings they are."""

from __future__ import annotations

from shared.contracts.base import Sealed, contract
from shared.contracts.cases.facts import CaseEvent
from shared.contracts.vocabulary import ChildDescription, DangerNow


@contract("cases.child.described")
class ChildDescribed(CaseEvent):
    """Asks the registry who this child is. Sealed under the case's key until the child has one."""

    child: Sealed[ChildDescription]


@contract("cases.child.chosen")
class ChildChosen(CaseEvent):
    """A person said which of the registry's candidates the described child is; no `child_id`: none of them.

    Where it is none, the registry founds a record on the description, which is sealed under the case's key.
    `instead_of`: the child to which the case was linked by mistake, and whose record the report's words leave.
    """

    child_id: str | None = None
    instead_of: str | None = None
    child: Sealed[ChildDescription] | None = None


@contract("cases.case.opened")
class CaseOpened(CaseEvent):
    """A case begins."""

    concern_id: str
    danger_now: DangerNow


@contract("cases.case.child-linked")
class ChildLinked(CaseEvent):
    """The case's child is known (or was corrected) to be `facts.child_id`."""


@contract("cases.case.child-unlinked")
class ChildUnlinked(CaseEvent):
    """The case was linked to the wrong child: it is about `wrong_child_id` no more."""

    wrong_child_id: str


@contract("cases.case.sibling-linked")
class SiblingLinked(CaseEvent):
    """This case and `other_case_id` are of children of one family or one report."""

    other_case_id: str


@contract("cases.case.sibling-unlinked")
class SiblingUnlinked(CaseEvent):
    """The two cases have nothing to do with each other after all."""

    other_case_id: str
