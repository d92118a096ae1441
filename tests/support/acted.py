"""Acts of people on a case as forms filled in: every field of every act with something that fits, by chance or by need.

What a form of the law asks comes from the reference data, so that a question that is added is answered here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from random import Random
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from services.cases.domain import acts
from services.cases.domain.model import Case, Clock, Task, World, local_day
from shared.reference.forms import Form, FormField, Forms
from shared.reference.terms import answers_in
from tests.support.rated import ROWS

HERE, THERE = "05443", "05455"
CHILDREN = [f"00000000-0000-7000-8000-00000000000{number}" for number in range(3)]
FORMS = Forms.load()
# On which the forms in force are those of today's law.
DAY = date(2026, 11, 24)
MODELS: Mapping[str, type[BaseModel]] = {
    model.model_fields["act"].default: model for model in get_args(get_args(acts.Act)[0])
}
# Which of a case's tasks and clocks an act is about, where it is not any that is open.
WAITS: Mapping[str, Callable[[Task], bool]] = {
    "reply-task": lambda task: task.pending == "question",
    "agree-date": lambda task: task.proposed_due is not None,
    "refuse-date": lambda task: task.proposed_due is not None,
    "remind-task": lambda task: task.awaited == "sector",
    "reassign-task": lambda task: task.is_open or task.awaited == "commune",
    "do-without": lambda task: task.state == "declined" and task.awaited == "commune",
}
STANDS: Mapping[str, Callable[[Clock], bool]] = {
    "pause-deadline": lambda clock: clock.may_pause,
    "resume-deadline": lambda clock: clock.state == "paused",
}


def inputs(
    dice: Random, case: Case, name: str, world: World, codes: Sequence[str], *, wrong: bool = False
) -> dict[str, Any]:
    """An act's form, filled in as it should be; `wrong`: with some things that should not be there.

    In: `codes`: of the cases there are.
    """
    today = local_day(world.now)
    inputs = {
        field_name: dice.choice(values(case, name, field_name, info.annotation, world, codes, wrong=wrong))
        for field_name, info in MODELS[name].model_fields.items()
        if field_name not in ("act", "answers", "form_of")
    }
    if (form := form_of(name)) is not None:
        own = {asked.act for asked in form.fields} - {None}
        said = answered(form, dice, today)
        # What drives the case is chosen above, but for the rows: those are the form's own.
        inputs |= {asked: value for asked, value in said.items() if asked in own and isinstance(value, list)}
        inputs["answers"] = {asked: value for asked, value in said.items() if asked not in own}
        inputs["form_of"] = dice.choice([None, form.effective_from])
        if wrong:
            inputs["answers"] = dice.choice([inputs["answers"], {**inputs["answers"], "nothing": 1}, {}, None])
            inputs["form_of"] = dice.choice([None, today, form.effective_from])
    return {"act": name, **inputs}


def values(
    case: Case, name: str, field_name: str, kind: Any, world: World, codes: Sequence[str], *, wrong: bool
) -> list[Any]:
    """What may stand in a field of an act."""
    now, today = world.now, local_day(world.now)
    others = [code for code in codes if code != case.code or wrong]
    candidates = [candidate["child_id"] for candidate in case.candidates] or CHILDREN
    known: dict[str, list[Any]] = {
        "into": others or [case.code],
        "other": others or [case.code],
        "to_unit": [unit for unit in (HERE, THERE) if unit != case.unit],
        "child_id": [*candidates, acts.NONE_OF_THESE],
        "task_id": [task.id for task in case.tasks if wrong or WAITS.get(name, is_open)(task)],
        "deadline": [clock.id for clock in case.clocks if wrong or STANDS.get(name, runs)(clock)],
        "services": [[]],
        "service": [*(service.id for service in case.services), *sorted(world.service_tasks)],
        "provided_on": [today],
        "held_on": [today],
        "meets_at": [now + timedelta(days=days) for days in (1, 20)],
        "sectors": [["health"], ["police", "unions"]],
        "decisions": [[], [decided_together("health", now), None, decided_together("commune", now)]],
        "further": [[], ["safe-place"]],
        "measure": sorted(world.measures),
        "care": sorted(world.cares),
        "environment": [None, "family", "school"],
        "harmer": [None, *sorted(world.harmers)],
        "kind": sorted(world.task_kinds if name == "request-task" else world.kinds),
        "ratings": [dict.fromkeys(ROWS, level) for level in ("high", "medium", "low")],
        "conclusion": ["Trẻ cần được theo dõi thêm tại nhà."],
        "granted": [True, True, False],
        "no_risk": [True],
        "stable": [True],
        "handed_on": [today],
    }
    if name == "close":
        known["outcome"] = sorted(world.outcomes)
    if name == "decide-emergency":
        known["until"] = [None, None, today + timedelta(days=2)]
    fit = known.get(field_name) or fitting(kind, now)
    return [*fit, "nothing", None, -1] if wrong else fit


def way(name: str) -> dict[str, Any]:
    """What has to be on the form of an act that leads on."""
    words = {field: "Đã làm" for field, info in MODELS[name].model_fields.items() if info.is_required()}
    rated = {"ratings": dict.fromkeys(ROWS, "low"), "level": "low"} if "ratings" in MODELS[name].model_fields else {}
    form = form_of(name)
    if form is None:
        return {**words, **rated}
    own = {asked.act for asked in form.fields}
    answers = {code: value for code, value in answered(form, None, DAY).items() if code not in own}
    return {**words, **rated, "answers": answers}


def is_open(task: Task) -> bool:
    return task.is_open


def runs(clock: Clock) -> bool:
    return clock.runs


def decided_together(who: str, now: datetime) -> dict[str, Any]:
    """A row of a conference's minutes."""
    return {"what": "Thăm nhà", "who": who, "due": local_day(now + timedelta(days=5)), "kind": "verification"}


def form_of(name: str) -> Form | None:
    """The form of an act, in the edition in force."""
    code = FORMS.of_act(name)
    return FORMS.form(code, DAY) if code else None


def answered(form: Form, dice: Random | None, today: date) -> dict[str, Any]:
    """What a form asks, under the act's own names; without dice, only what must be answered."""
    return {
        asked.act or asked.code: an_answer(asked, dice, today)
        for asked in form.fields
        if asked.when == "always" or (dice is not None and dice.random() < 0.4)
    }


def an_answer(asked: FormField, dice: Random | None, today: date) -> Any:
    if asked.type == "rows":
        rows = 1 if dice is None else dice.choice([1, 2])
        return [{column.code: an_answer(column, dice, today) for column in asked.fields} for _ in range(rows)]
    if asked.type in ("choice", "choices"):
        codes = sorted(answers_in(asked.terms or ""))
        code = codes[0] if dice is None else dice.choice(codes)
        return [code] if asked.type == "choices" else code
    return {"date": (today + timedelta(days=3)).isoformat(), "number": 2, "yes-no": True}.get(asked.type, "Đã làm")


def fitting(kind: Any, now: datetime) -> list[Any]:
    """Values of a field's type."""
    if get_origin(kind) is Annotated:
        return fitting(get_args(kind)[0], now)
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return [None, *fitting(get_args(kind)[0], now)]
    if kind is bool:
        return [True, False]
    if kind is str:
        return ["force-majeure"]
    return [local_day(now + timedelta(days=days)) for days in (1, 30)]
