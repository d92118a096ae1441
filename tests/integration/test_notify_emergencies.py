"""Ladders of emergencies on a real database: who is called after whom, and how somebody acknowledges."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from pydantic import SecretStr

from services.notify.climbing import Climbing
from services.notify.desk.personal import Personal
from services.notify.tidying import Tidying
from shared.contracts.base import Contract
from shared.contracts.cases import CaseOpened, CaseTransferred, EmergencyMeasureDecided
from shared.reference.delivering import Delivering
from shared.reference.notify_limits import NotifyLimitsByDay
from tests.integration.notify_house import (
    CASE,
    OTHER_UNIT,
    UNIT,
    House,
    Person,
    concern,
    facts,
    loop_of,
    make_house,
    succeeded,
    until,
)
from tests.support.receivers import MailServer


async def ladder_of(person: Person) -> dict[str, Any]:
    found: list[dict[str, Any]] = (await person.get("/notify/api/emergencies")).json()
    assert len(found) == 1
    return found[0]


async def test_an_emergency_climbs_until_somebody_acknowledges_it_on_its_page_and_every_step_is_published(
    house: House,
) -> None:
    climbing = loop_of(house, Climbing)
    await house.hear(("e1", concern("yes")), ("e1", concern("yes")))
    raised = await house.published("notify.escalation.raised")
    assert [(one["step"], one["role"], one["people"], one["channels"]) for one in raised] == [
        (0, "worker", 1, ["inbox"])
    ]
    # Nobody of the commune can be reached over anything but the app, so the next is called within a minute.
    house.shift += timedelta(seconds=50)
    assert await climbing.once() == 0
    house.shift += timedelta(seconds=11)
    assert await climbing.once() == 1
    async with house.client("binh.chair") as chair:
        ladder = await ladder_of(chair)
        assert (ladder["state"], ladder["step"]) == ("open", 1)
        page = await chair.get(f"/notify/emergencies/{ladder['id']}")
        assert "Tôi đã nhận và đang xử lý" in page.text
        assert "Chưa ai xác nhận đã nhận một tin khẩn" in (await chair.get("/notify/")).text
        answer = await chair.post(f"/notify/emergencies/{ladder['id']}")
        assert answer.status_code == 303
        assert "Đã có người nhận" in (await chair.get(f"/notify/emergencies/{ladder['id']}")).text
    house.shift += timedelta(hours=3)
    assert await climbing.once() == 0
    said = await house.published("notify.message.acknowledged")
    assert [(one["person"], one["how"], one["role"], one["step"]) for one in said] == [
        ("binh.chair", "page", "chair", 1)
    ]
    assert [one["step"] for one in await house.published("notify.escalation.raised")] == [0, 1]


async def test_a_stranger_neither_sees_nor_acknowledges_it_and_an_operator_only_sees(house: House) -> None:
    await house.hear(("e1", concern("yes")))
    async with house.client("son.operator") as operator:
        ladder = await ladder_of(operator)
        assert (await operator.get(f"/notify/emergencies/{ladder['id']}")).status_code == 200
        assert (await operator.post(f"/notify/emergencies/{ladder['id']}")).status_code == 404
    for name in ("thuong.worker", "duc.health", "yen.partner"):
        async with house.client(name) as stranger:
            assert (await stranger.get("/notify/api/emergencies")).json() == []
            assert (await stranger.get(f"/notify/emergencies/{ladder['id']}")).status_code == 404
            assert (await stranger.post(f"/notify/emergencies/{ladder['id']}")).status_code == 404
    assert await house.published("notify.message.acknowledged") == []


async def test_a_link_in_an_e_mail_acknowledges_once_without_a_sign_in_and_opening_it_does_not(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        async with house.client("binh.chair") as chair:
            await chair.mailbox("binh@xa.example")
        await house.hear(("e1", concern("yes")))
        house.shift += timedelta(minutes=2)
        await loop_of(house, Climbing).once()
        house.start()
        await until(lambda: succeeded(house, 1))
        message = mail_server.messages[0]
        assert message["Subject"] == "KHẨN: Trẻ đang gặp nguy hiểm, cần anh chị xác nhận đã nhận"
        body = message.get_content()
        assert not re.search(r"female|6-10|neglect|Bình", body)
        link = re.search(r"http://vongtay.test(/notify/a/\S+)", body)
        assert link is not None
        async with house.client("quang.police") as anybody:
            for _ in range(2):
                shown = await anybody.get(link[1])
                assert "Tôi đã nhận" in shown.text
                assert shown.headers["Cache-Control"] == "no-store"
            assert await house.published("notify.message.acknowledged") == []
            assert "Đã ghi nhận" in (await anybody.post(link[1])).text
            again = await anybody.post(link[1])
            assert (again.status_code, "không dùng được nữa" in again.text) == (410, True)
            assert (await anybody.get(link[1][:-1] + "A")).status_code == 410
            assert (await anybody.get("/notify/a/" + "x" * 3000)).status_code in {404, 410, 414}
        said = await house.published("notify.message.acknowledged")
        assert [(one["person"], one["how"]) for one in said] == [("binh.chair", "link")]


async def test_a_ladder_follows_its_report_into_the_case_and_ends_when_somebody_has_acted(house: House) -> None:
    await house.hear(("e1", concern("yes")))
    opened = CaseOpened.model_validate({"case_id": CASE, "facts": facts(), "concern_id": "c1", "danger_now": "yes"})
    await house.hear(("e2", opened))
    rows = await house.rows("SELECT state, case_id FROM ladder")
    assert [(row.state, row.case_id) for row in rows] == [("open", CASE)]
    decided = EmergencyMeasureDecided.model_validate({"case_id": CASE, "facts": facts(), "measure": "separation"})
    await house.hear(("e3", decided))
    assert [row.state for row in await house.rows("SELECT state FROM ladder")] == ["settled"]
    ended = await house.published("notify.escalation.ended")
    assert [(one["state"], one["case_id"], one["concern_id"]) for one in ended] == [("settled", CASE, "c1")]


async def test_a_ladder_whose_case_was_heard_of_before_its_report_ends_when_somebody_has_acted(house: House) -> None:
    """They lie in two partitions; after a time off either may be read first."""
    opened = CaseOpened.model_validate({"case_id": CASE, "facts": facts(), "concern_id": "c1", "danger_now": "yes"})
    await house.hear(("e2", opened))
    await house.hear(("e1", concern("yes")))
    # As it is said again when it has become a case.
    await house.hear(("e3", concern("yes").model_copy(update={"case_id": CASE})))
    decided = EmergencyMeasureDecided.model_validate({"case_id": CASE, "facts": facts(), "measure": "separation"})
    await house.hear(("e4", decided))
    assert [row.state for row in await house.rows("SELECT state FROM ladder")] == ["settled"]


_CASES_OWN = ("opened", "moved", "decided")
_REPORTS_OWN = ("reported", "linked")


def _interleaved() -> list[tuple[str, ...]]:
    """Every order in which two partitions' events can be heard."""
    orders = set(permutations((*_CASES_OWN, *_REPORTS_OWN)))
    return sorted(
        order
        for order in orders
        if all([one for one in order if one in own] == list(own) for own in (_CASES_OWN, _REPORTS_OWN))
    )


@pytest.mark.parametrize("batches", [True, False])
async def test_whatever_the_order_a_ladder_whose_end_has_been_heard_calls_nobody(house: House, batches: bool) -> None:
    for number, order in enumerate(_interleaved()):
        case, report = f"case-{number}", f"report-{number}"
        about = {"case_id": case, "facts": facts()}
        events: dict[str, Contract] = {
            "reported": concern("yes").model_copy(update={"concern_id": report}),
            "linked": concern("yes").model_copy(update={"concern_id": report, "case_id": case}),
            "opened": CaseOpened.model_validate({**about, "concern_id": report, "danger_now": "yes"}),
            "moved": CaseTransferred.model_validate({**about, "facts": facts(OTHER_UNIT), "from_unit": UNIT}),
            "decided": EmergencyMeasureDecided.model_validate({**about, "measure": "separation"}),
        }
        happened = (*_REPORTS_OWN[:1], *_CASES_OWN, *_REPORTS_OWN[1:])
        await _hear(house, number, events, happened, order, batches=batches)
        (row,) = await house.rows(
            """SELECT state, case_id, unit, (SELECT count(*) FROM ladder_call WHERE ladder_id = ladder.id) AS calls
               FROM ladder WHERE concern_id = :report""",
            report=report,
        )
        heard_too_late = not batches and order.index("reported") < order.index("decided")
        assert (order, row.state, row.case_id, row.calls) == (order, "settled", case, 1 if heard_too_late else 0)
        assert (order, row.unit) == (order, OTHER_UNIT)
    ended = await house.published("notify.escalation.ended")
    assert [(one["state"]) for one in ended] == ["settled"] * len(_interleaved())


async def _hear(
    house: House,
    number: int,
    events: Mapping[str, Contract],
    happened: Sequence[str],
    order: Sequence[str],
    *,
    batches: bool,
) -> None:
    """Events that happened one after the other, heard in another order: at once, or one by one."""
    for name in happened:
        house.happened[f"{number}-{name}"] = house.context.clock()
    heard = [(f"{number}-{name}", events[name]) for name in order]
    for together in [heard] if batches else [[one] for one in heard]:
        await house.hear(*together)


_FIRST, _SECOND = ("opened one", "moved one"), ("opened other", "decided")
_SIBLINGS = sorted(
    order
    for order in set(permutations((*_FIRST, *_SECOND, *_REPORTS_OWN)))
    if all([one for one in order if one in own] == list(own) for own in (_FIRST, _SECOND, _REPORTS_OWN))
)


@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("own", ["one", "other"])
async def test_who_acts_upon_one_child_of_a_report_about_several_has_acted_upon_the_report_whatever_the_order(
    house: House, own: str, batches: bool
) -> None:
    """Each child has a case, and lies in a partition of its own."""
    for number, order in enumerate(_SIBLINGS):
        cases, report = {one: f"{one}-{number}" for one in ("one", "other")}, f"report-{number}"
        events: dict[str, Contract] = {
            "reported": concern("yes").model_copy(update={"concern_id": report}),
            "linked": concern("yes").model_copy(update={"concern_id": report, "case_id": cases[own]}),
            "moved one": CaseTransferred.model_validate(
                {"case_id": cases["one"], "facts": facts(OTHER_UNIT), "from_unit": UNIT}
            ),
            "decided": EmergencyMeasureDecided.model_validate(
                {"case_id": cases["other"], "facts": facts(), "measure": "separation"}
            ),
        }
        for one, case in cases.items():
            events[f"opened {one}"] = CaseOpened.model_validate(
                {"case_id": case, "facts": facts() | {"code": case}, "concern_id": report, "danger_now": "yes"}
            )
        happened = ("reported", "linked", *_FIRST, *_SECOND)
        await _hear(house, number, events, happened, order, batches=batches)
        (row,) = await house.rows(
            """SELECT state, case_id, case_code, unit,
                      (SELECT count(*) FROM ladder_call WHERE ladder_id = ladder.id) AS calls
               FROM ladder WHERE concern_id = :report""",
            report=report,
        )
        heard_too_late = not batches and order.index("reported") < max(map(order.index, _SECOND))
        assert (order, row.state, row.calls) == (order, "settled", 1 if heard_too_late else 0)
        # One that has ended goes nowhere any more.
        if not batches and max(order.index("reported"), *map(order.index, _SECOND)) == len(order) - 1:
            assert (order, row.case_id, row.case_code) == (order, cases[own], cases[own])
            assert (order, row.unit) == (order, OTHER_UNIT if own == "one" else UNIT)


async def test_a_ladder_stays_on_the_case_that_it_stands_on_until_the_report_names_its_own(house: House) -> None:
    opened = {
        one: CaseOpened.model_validate(
            {"case_id": one, "facts": facts() | {"code": one}, "concern_id": "c1", "danger_now": "yes"}
        )
        for one in ("case-1", "case-2", "case-3")
    }
    moved = {
        one: CaseTransferred.model_validate({"case_id": one, "facts": facts(OTHER_UNIT), "from_unit": UNIT})
        for one in opened
    }
    seen = []

    async def hear(name: str, data: Contract) -> None:
        await house.hear((name, data))
        (row,) = await house.rows("SELECT case_id, case_code, unit, state FROM ladder")
        seen.append((row.case_id, row.case_code, row.unit, row.state))

    await hear("reported", concern("yes"))
    await hear("opened 2", opened["case-2"])
    await hear("opened 1", opened["case-1"])
    await hear("opened 3", opened["case-3"])
    await hear("moved 1", moved["case-1"])
    await hear("moved 2", moved["case-2"])
    await hear("linked", concern("yes").model_copy(update={"case_id": "case-3"}))
    assert seen == [
        (None, None, UNIT, "open"),
        ("case-2", "case-2", UNIT, "open"),
        ("case-2", "case-2", UNIT, "open"),
        ("case-2", "case-2", UNIT, "open"),
        ("case-2", "case-2", UNIT, "open"),
        ("case-2", "case-2", OTHER_UNIT, "open"),
        ("case-3", "case-3", UNIT, "open"),
    ]
    decided = EmergencyMeasureDecided.model_validate({"case_id": "case-1", "facts": facts(), "measure": "separation"})
    await hear("decided", decided)
    assert seen[-1] == ("case-3", "case-3", UNIT, "settled")


async def test_a_report_that_is_added_to_a_case_upon_which_somebody_acts_is_settled_when_that_is_heard(
    house: House,
) -> None:
    """The case was there before: nothing but the report says that it is of it."""
    decided = EmergencyMeasureDecided.model_validate({"case_id": CASE, "facts": facts(), "measure": "separation"})
    await house.hear(("before", decided))
    house.shift += timedelta(minutes=1)
    await house.hear(("reported", concern("yes")))
    linked = concern("yes").model_copy(update={"case_id": CASE})
    await house.hear(("linked", linked))
    assert [row.state for row in await house.rows("SELECT state FROM ladder")] == ["open"], "that was another danger"
    await house.rows("UPDATE ladder SET case_id = NULL RETURNING 1")
    await house.rows("DELETE FROM concern_case RETURNING 1")
    await house.hear(("since", decided))
    assert [row.state for row in await house.rows("SELECT state FROM ladder")] == ["open"], "nobody knows of which case"
    await house.hear(("linked again", linked))
    assert [row.state for row in await house.rows("SELECT state FROM ladder")] == ["settled"]
    house.shift += timedelta(hours=1)
    assert await loop_of(house, Climbing).once() == 0
    house.shift += timedelta(days=40)
    await loop_of(house, Tidying).once()
    kept = "SELECT 1 FROM ladder_act UNION ALL SELECT 1 FROM concern_case UNION ALL SELECT 1 FROM ladder"
    assert await house.rows(kept) == [], "no longer than any message"


async def test_a_report_and_its_end_that_are_heard_at_the_same_moment_by_two_replicas_leave_nothing_open(
    house: House,
) -> None:
    for number in range(10):
        case, report = f"case-{number}", f"report-{number}"
        about = {"case_id": case, "facts": facts()}
        opened = CaseOpened.model_validate({**about, "concern_id": report, "danger_now": "yes"})
        decided = EmergencyMeasureDecided.model_validate({**about, "measure": "separation"})
        house.happened[f"{number}-reported"] = house.context.clock()
        reported = concern("yes").model_copy(update={"concern_id": report})
        await asyncio.gather(
            house.hear((f"{number}-opened", opened), (f"{number}-decided", decided)),
            house.hear((f"{number}-reported", reported)),
        )
    assert {row.state for row in await house.rows("SELECT state FROM ladder")} == {"settled"}


async def test_two_replicas_climb_a_ladder_once(house: House) -> None:
    await house.hear(("e1", concern("yes")))
    house.shift += timedelta(minutes=2)
    climbing = loop_of(house, Climbing)
    taken = await asyncio.gather(*(climbing.once() for _ in range(4)))
    assert sum(taken) == 1
    assert [one["step"] for one in await house.published("notify.escalation.raised")] == [0, 1]


async def test_a_reply_acknowledges_the_newest_call_to_whoever_sent_it(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        await house.hear(("e1", concern("yes")))
        await house.rows("UPDATE ladder_call SET channels = '{inbox,sms}' RETURNING 1")
        personal = Personal(
            house.database,
            house.context.clock,
            (emergencies := loop_of(house, Climbing)._emergencies)._people,
            emergencies,
            NotifyLimitsByDay.load(),
            Delivering.load(),
        )
        assert await personal.acknowledge_by_reply(["lan.worker"], "Ai đấy?") is None
        assert await personal.acknowledge_by_reply(["thuong.worker"], "OK") is None, "nobody called her"
        taken = await personal.acknowledge_by_reply(["lan.worker"], "Đã nhận, tôi đến ngay")
        assert taken is not None
        assert await personal.acknowledge_by_reply(["lan.worker"], "OK") is None, "nothing is open any more"
        said = await house.published("notify.message.acknowledged")
        assert [(one["person"], one["how"], one["role"]) for one in said] == [("lan.worker", "reply", "worker")]
