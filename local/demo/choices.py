"""What made-up people do next: each looks at what the platform says is open to them, and mostly does it.

Pure but for chance. A case is as `/cases/api/cases/{id}` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from local.demo import papers
from local.demo.players import Json
from shared.reference.terms import Terms

_VIOLENT = {"violence", "domestic-violence"}
_RUNNING = {"running", "nearing", "missed"}
_ALONE = {"orphaned", "abandonment", "neglect", "covid-affected"}


def worker_act(case: Json, now: datetime, random: Random, units: Sequence[str]) -> Json | None:
    """What a commune's worker does next. In: `units`: the province's communes."""
    acts, facts = case["acts"], case["facts"]
    if (first := assessing_act(case, now, random, units)) is not None:
        return first
    ban = "request-contact-ban"
    if ban in acts and not asked_before(case, ban) and facts["kind"] in _VIOLENT and random.random() < 0.12:
        return {"act": "request-contact-ban", "against": "Người bố", "reason": "Còn đe dọa trẻ và mẹ."}
    if "hand-over-child" in acts and random.random() < 0.5:
        minutes = "Đã bàn giao trẻ cho người chăm sóc trước sự chứng kiến của công an và trưởng xóm."
        return {"act": "hand-over-child", "handed_on": papers.today(now).isoformat(), "minutes": minutes}
    if "assess-detailed" in acts and facts["step"] == "assessment" and random.random() < 0.8:
        return papers.detailed(random, now, facts["risk"])
    if "draft-plan" in acts and random.random() < 0.6:
        return papers.plan(random, now)
    return _along_the_way(case, now, random, units) or _carried_out(case, now, random)


def assessing_act(case: Json, now: datetime, random: Random, units: Sequence[str]) -> Json | None:
    """What a worker does first, by the law within twelve hours: see the child, and say how great the risk is."""
    acts, facts = case["acts"], case["facts"]
    if "verify" in acts and case["verified"] is None:
        return {"act": "verify", "confirmed": random.random() < 0.9, "findings": "Đã gặp trẻ, gia đình và hàng xóm."}
    if "transfer" in acts and facts["step"] == "intake" and random.random() < 0.02:
        return {"act": "transfer", "to_unit": _another(facts["unit"], units, random), "reason": "Sự việc ở xã bạn."}
    if "assess-initial" in acts and facts["step"] == "intake":
        return papers.initial(random, now)
    return None


def asked_before(case: Json, act: str) -> bool:
    """Whether it is a contact ban that was asked for in this case before: once is enough for the demo."""
    clocks = {clock["kind"] for clock in case["deadlines"]}
    return act == "request-contact-ban" and "contact-ban-decision" in clocks


def _along_the_way(case: Json, now: datetime, random: Random, units: Sequence[str]) -> Json | None:
    """What may happen at any step."""
    acts, facts = case["acts"], case["facts"]
    chance = random.random()
    if "reclassify" in acts and facts["kind"] != "neglect" and chance < 0.02:
        change = {"kind": "neglect", "environment": "family", "harmer": "parent"}
        return {"act": "reclassify", **change, "reason": "Xác minh cho thấy trẻ bị bỏ mặc."}
    if "offer-handover" in acts and facts["step"] != "intake" and chance < 0.035:
        to_unit = _another(facts["unit"], units, random)
        return {"act": "offer-handover", "to_unit": to_unit, "reason": "Trẻ và gia đình sống ở xã bạn."}
    if "hold-conference" in acts and chance < 0.4:
        return conference_held(now, random)
    if "call-conference" in acts and facts["step"] in ("plan", "carrying-out") and chance < 0.06:
        return conference(now, random)
    if "request-task" in acts and len(case["tasks"]) < 3 and chance < 0.2:
        return _task(now, random)
    if "note" in acts and chance > 0.97:
        return {"act": "note", "text": "Đã gọi điện cho cô giáo: trẻ đi học đều trong tuần."}
    return None


def _carried_out(case: Json, now: datetime, random: Random) -> Json | None:
    """The plan: services that were given are written down, and it is reviewed."""
    done = {task["id"] for task in case["tasks"] if task["state"] == "done"}
    waiting = [
        service
        for service in case["services"]
        if service["done_on"] is None and (service["task_id"] in done or service["sector"] is None)
    ]
    if "record-service" in case["acts"] and waiting and random.random() < 0.6:
        day = papers.today(now).isoformat()
        return {"act": "record-service", "service": waiting[0]["id"], "provided_on": day, "notes": "Trẻ tham gia đủ."}
    awaited = any(task["awaited"] != "nobody" for task in case["tasks"])
    carrying_out = "hold-review" in case["acts"] and case["facts"]["step"] == "carrying-out"
    if carrying_out and random.random() < (0.25 if awaited else 0.5):
        return papers.review(random, now, random.choice(("close", "close", "close", "continue", "plan-again")))
    return None


def needs_chair(case: Json) -> bool:
    """Whether a case has anything that may wait for the chair."""
    facts = case["facts"]
    return (
        facts["step"] in ("plan", "approval", "review")
        or case["verified"] is False
        or case["contact_ban"]["requested"]
        or (facts["step"] == "carrying-out" and facts["kind"] in _ALONE)
        or _runs(case, "emergency-12h")
        or _runs(case, "separation-15d")
    )


def chair_act(case: Json, now: datetime, random: Random) -> Json | None:
    """What the chair decides."""
    acts, facts = case["acts"], case["facts"]
    if (first := urgent_act(case, now, random)) is not None:
        return first
    if "decide-contact-ban" in acts:
        if random.random() < 0.15:
            return {"act": "decide-contact-ban", "granted": False, "reason": "Người này đã rời khỏi địa bàn."}
        return {"act": "decide-contact-ban", "granted": True, "number": f"{random.randrange(1, 200)}/QĐ-UBND"}
    if "approve-plan" in acts:
        if random.random() < 0.12:
            return {"act": "return-plan", "reason": "Cần ghi rõ người thực hiện."}
        return papers.approval(random, now)
    if "close" in acts and facts["step"] == "review":
        if case["care"] and case["care"]["handed_over"]:
            return {"act": "close", "outcome": "alternative-care", "no_risk": True, "stable": True}
        return None if case["care"] else {"act": "close", "outcome": "stable", "no_risk": True, "stable": True}
    if "hold-needs-meeting" in acts and facts["step"] == "plan" and random.random() < 0.4:
        return papers.needs_meeting(random, now)
    if "end-separation" in acts and random.random() < 0.5:
        return {"act": "end-separation", "reason": "Người gây hại đã rời khỏi nhà, trẻ an toàn."}
    alone = facts["kind"] in _ALONE and facts["step"] == "carrying-out"
    if "decide-alternative-care" in acts and alone and random.random() < 0.1:
        return alternative_care(random)
    return None


def urgent_act(case: Json, now: datetime, random: Random) -> Json | None:
    """What the chair decides at any hour: a measure for a child in danger; none where the report proved unfounded."""
    if "close" in case["acts"] and case["verified"] is False and case["care"] is None:
        return {"act": "close", "outcome": "unfounded"}
    if "decide-emergency" in case["acts"] and case["emergency"] is None and _runs(case, "emergency-12h"):
        return papers.emergency(random, now)
    return None


def receiving_act(case: Json, random: Random) -> Json | None:
    """What the commune says to which a case is offered."""
    if "accept-handover" not in case["acts"]:
        return None
    if random.random() < 0.75:
        return {"act": "accept-handover", "remarks": "Xã đã gặp gia đình, nhận theo dõi tiếp."}
    return {"act": "decline-handover", "reason": "Gia đình đã chuyển đi nơi khác."}


def reply(task: Json, now: datetime, random: Random) -> Json | None:
    """What the commune does about a task that waits for it: a question, a date, a refusal."""
    known = {"task_id": task["id"]}
    if task["state"] == "declined":
        if random.random() < 0.25:
            return {"act": "do-without", **known, "reason": "Xã tự thực hiện cùng gia đình."}
        sector = random.choice([code for code in Terms.load("sectors").codes() if code != task["sector"]])
        return {"act": "reassign-task", **known, "sector": sector, "due": _in_days(now, 7), "reason": "Nhờ nơi khác."}
    if task["pending"] == "question":
        return {"act": "reply-task", **known, "reply": "Trẻ ở nhà bà nội, gọi trước khi đến."}
    if task["proposed_due"] is not None:
        ahead = datetime.fromisoformat(task["proposed_due"]) > now
        if random.random() < 0.8 and ahead:
            return {"act": "agree-date", **known}
        return {"act": "refuse-date", **known, "reason": "Trẻ cần được giúp trước ngày đó."}
    return None


def answer(task: Json, now: datetime, random: Random) -> Json:
    """What a sector says to what it was asked."""
    chance = random.random()
    if task["state"] in ("requested", "overdue") and task["accepted_at"] is None:
        if chance < 0.08:
            return {"answer": "declined", "reason": "Việc này thuộc đơn vị khác."}
        if chance < 0.2:
            return question()
        if chance < 0.3 and datetime.fromisoformat(task["due"]) > now + timedelta(days=2):
            return new_date(task, now)
        return {"answer": "accepted"}
    return {"answer": "done", "summary": "Đã thực hiện và bàn giao kết quả cho xã."}


def question() -> Json:
    """A sector asks before it goes on."""
    return {"answer": "question", "question": "Trẻ hiện ở đâu, đến lúc nào thì gặp được?"}


def new_date(task: Json, now: datetime) -> Json:
    """A sector proposes three days more."""
    later = max(datetime.fromisoformat(task["due"]), now) + timedelta(days=3)
    return {"answer": "new-date", "new_date": later.isoformat(), "reason": "Cán bộ phụ trách đi tập huấn."}


def conference(now: datetime, random: Random) -> Json:
    """Sectors are called together in two days."""
    return {
        "act": "call-conference",
        "meets_at": (now + timedelta(days=2)).isoformat(),
        "place": "Phòng họp UBND",
        "sectors": random.sample(["health", "education", "police", "unions"], 2),
        "purpose": "Thống nhất việc hỗ trợ trẻ.",
    }


def conference_held(now: datetime, random: Random) -> Json:
    """They met; two decisions become tasks."""
    decisions = [
        {"what": "Đến thăm nhà và hướng dẫn người chăm sóc.", "who": "unions", "due": _in_days(now, 7)},
        {"what": "Làm hồ sơ hỗ trợ học phí.", "who": random.choice(("commune", "education")), "due": _in_days(now, 10)},
    ]
    people, minutes = "Y tế, công an, nhà trường, bà nội của trẻ.", "Các bên thống nhất phân công và hẹn họp lại."
    held_on = papers.today(now).isoformat()
    return {"act": "hold-conference", "held_on": held_on, "people": people, "minutes": minutes, "decisions": decisions}


def alternative_care(random: Random) -> Json:
    """The chair decides with whom the child is to live."""
    return {
        "act": "decide-alternative-care",
        "care": random.choice(("kinship", "kinship", "foster", "facility")),
        "carer": "Bà ngoại của trẻ",
        "grounds": "Trẻ không còn người chăm sóc; bà ngoại có đơn nhận chăm sóc.",
        "number": f"{random.randrange(1, 200)}/QĐ-UBND",
    }


def _task(now: datetime, random: Random) -> Json:
    terms = Terms.load("task-kinds")
    kind = random.choice(terms.codes())
    due = _in_days(now, int(terms.get(kind, "days") or 5))
    return {"act": "request-task", "kind": kind, "sector": terms.get(kind, "sector"), "due": due}


def _in_days(now: datetime, days: int) -> str:
    return (papers.today(now) + timedelta(days=days)).isoformat()


def _another(unit: str, units: Sequence[str], random: Random) -> str:
    return random.choice([code for code in units if code != unit])


def _runs(case: Json, kind: str) -> bool:
    return any(clock["kind"] == kind and clock["state"] in _RUNNING for clock in case["deadlines"])
