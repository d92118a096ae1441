"""Blind re-verification (phúc tra): a sample is drawn, a second person answers without the record in sight, and only
then the two are compared. What differs waits for a person; nothing is overwritten by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal

from services.registry.desk.following import today
from services.registry.desk.lifecycle import Lifecycle
from services.registry.desk.records import Desk
from services.registry.domain import sampling
from services.registry.domain.lifecycle import HIDDEN
from services.registry.store import children, samples
from services.registry.store.samples import Sample
from shared.contracts.errors import refuse
from shared.contracts.registry import ReverificationCompleted
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.reference.calendar import local_day
from shared.reference.keeping import Keeping

_REASON: Final = "reverification"  # of the reference data's reasons


class Samples:
    """The acts.

    Args:
        desk: corrects what a person decides. lifecycle: verifies what both found alike. keeping: the rules, as data.
    """

    def __init__(self, desk: Desk, lifecycle: Lifecycle, keeping: Keeping) -> None:
        self._desk = desk
        self._lifecycle = lifecycle
        self._rules = keeping

    async def draw(self, scope: Scope, unit: str, second: str, *, by: str) -> Sample:
        """Draw a sample of a commune's verified records for a second person.

        Args:
            second: the account of who collects again; what they verified themselves is not drawn.
        Raises: `Rejected` where nobody is named, or nothing can be drawn.
        """
        rules = self._rules.sampling.on(today(scope))
        if not second:
            raise refuse(
                "second", "second-missing", "Ghi tên đăng nhập của người phúc tra.", "Write who collects again."
            )
        eligible = await samples.verified_by_others(scope.connection, unit, f"person:{second}")
        if not eligible:
            raise refuse(
                "unit",
                "nothing-to-draw",
                "Xã, phường này chưa có hồ sơ nào do người khác xác minh.",
                "No record of this commune was verified by somebody else.",
            )
        sample_id = new_id()
        drawn = sampling.draw(sample_id, eligible, sampling.sample_size(len(eligible), rules))
        due_on = today(scope) + timedelta(days=rules.days)
        made = Sample(sample_id, unit, scope.now, by, second, len(drawn), due_on, None, None)
        await samples.put(scope.connection, made, drawn)
        return made

    async def answer(
        self, scope: Scope, sample_id: str, child_id: str, answers: ChildDescription | None, *, person: str
    ) -> None:
        """What the second person found; None: the child could not be reached.

        Args:
            person: the account that answers.
        Raises: `Rejected` where it is not theirs to answer, or was answered; LookupError for what is not there.
        """
        connection = scope.connection
        made = await samples.sample(connection, sample_id, lock=True)
        place = await samples.place(connection, sample_id, child_id)
        if made is None or place is None:
            raise LookupError("no such sample")
        if made.second != person:
            raise refuse("second", "not-the-second", "Mẫu này do người khác phúc tra.", "Another collects this sample.")
        if place.at is not None:
            raise refuse("child", "answered", "Trẻ này đã được phúc tra.", "This child was collected again already.")
        row = await children.current(connection, child_id, lock=True)
        if row is None:
            raise LookupError("no such child")
        if row.status in HIDDEN:
            # The record was closed to the eye meanwhile: nothing of the answer is kept, and the sample goes on.
            answers = None
        rules = self._rules.sampling.on(local_day(made.made_at))
        known = row.known.description
        alike = sampling.compared(known, answers, rules.compared) if answers is not None else {}
        said = {
            field: {"alike": same, "first": _words(known, field), "second": _words(answers, field), "stands": None}
            for field, same in alike.items()
            if answers is not None
        }
        await samples.answer(
            connection,
            sample_id,
            child_id,
            now=scope.now,
            by=f"person:{person}",
            found=answers is not None,
            answers=answers.model_dump_json(include=set(rules.compared)) if answers is not None else "{}",
            compared=said,
        )
        if alike and all(alike.values()) and row.known.status == "active":
            await self._lifecycle.verify(
                scope,
                row,
                confirmed=sorted(alike),
                method="blind",
                by=f"person:{person}",
                at=scope.now,
                sample_id=sample_id,
            )
        await self._complete(scope, made)

    async def decide(
        self, scope: Scope, sample_id: str, child_id: str, field: str, stands: Literal["first", "second"], *, by: str
    ) -> None:
        """A person says which of two answers is right; the second one is then a correction of the record.

        Raises: `Rejected`, LookupError where there is no such difference (any more).
        """
        connection = scope.connection
        place = await samples.place(connection, sample_id, child_id)
        compared: dict[str, dict[str, Any]] = dict(place.compared or {}) if place is not None else {}
        said = compared.get(field)
        if place is None or said is None or said["alike"] or said["stands"] is not None:
            raise LookupError("no such difference")
        row = await children.current(connection, child_id, lock=True)
        if row is None:
            raise LookupError("no such child")
        if stands == "second":
            answers = ChildDescription.model_validate(place.answers)
            said_now: dict[str, Any] = {field: getattr(answers, field)}
            if field == "birth_date" and row.known.description.birth_precision is not None:
                said_now["birth_precision"] = "day"
            right = row.known.description.model_copy(update=said_now)
            await self._desk.correct(scope, row.id, right, None, version=row.sequence, actor=by, reason=_REASON)
        compared[field] = {**said, "stands": stands}
        await samples.decide(connection, sample_id, child_id, compared)

    async def _complete(self, scope: Scope, made: Sample) -> None:
        places = await samples.places(scope.connection, made.id)
        if any(place.at is None for place in places):
            return
        found = sum(bool(place.found) for place in places)
        comparisons = [{field: said["alike"] for field, said in (place.compared or {}).items()} for place in places]
        outcome = sampling.agreement(found, comparisons)
        result: Mapping[str, Any] = {
            "found": outcome.found,
            "agreed": outcome.agreed,
            "asked": outcome.asked,
            "by_field": outcome.by_field,
        }
        await samples.complete(scope.connection, made.id, scope.now, result)
        event = ReverificationCompleted(sample_id=made.id, unit=made.unit, size=made.size, **result)
        await scope.emit(event, subject=made.id, sequence=1, unit=made.unit)


def _words(description: ChildDescription | None, field: str) -> str:
    """A field as a person reads it."""
    value = getattr(description, field)
    if isinstance(value, list):
        return "; ".join(carer.name or "" for carer in value)
    return value if isinstance(value, str) else value.strftime("%d/%m/%Y")
