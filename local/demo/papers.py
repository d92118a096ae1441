"""What made-up people write into the forms of the law: as much as such forms have in life, not every field always."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random

from local.demo.players import Json
from local.simulation.names import full_name
from shared.reference.calendar import LOCAL
from shared.reference.terms import Terms

_HARM = ("severity", "access", "care-barriers")
_PROTECTION = ("resists", "knows-helpers", "seeks-help")
_LEVELS = ("high", "medium", "medium", "low")
_SAFER = {"high": "low", "medium": "medium", "low": "high"}


def today(now: datetime) -> date:
    """The day it is where people live."""
    return now.astimezone(LOCAL).date()


def rated(random: Random, level: str | None = None) -> Json:
    """A form's rated rows and the level that they lead to; each row may be one step off."""
    level = level or random.choice(_LEVELS)
    ratings = dict.fromkeys(_HARM, level) | dict.fromkeys(_PROTECTION, _SAFER[level])
    if random.random() < 0.4:
        ratings[random.choice(_HARM[1:] + _PROTECTION)] = "medium"
    return {"ratings": ratings, "level": level}


def initial(random: Random, now: datetime) -> Json:
    """Form 02."""
    answers = {
        "assessed-on": today(now).isoformat(),
        "child-place": "Đang ở nhà cùng gia đình",
        "child-condition": random.choice(("Có vết bầm ở tay, ngủ không yên.", "Khỏe, ít nói, sợ người lạ.")),
        "harm-evidence": "Gặp trẻ, gia đình và cô giáo; xem hồ sơ khám.",
        "protection-evidence": "Trẻ biết gọi bà nội và cô giáo khi sợ.",
        "urgent-needs": [{"need": "Khám sức khỏe", "provider": "Trạm y tế"}, {"need": "Có người trông buổi tối"}],
    }
    conclusion = "Theo kết quả gặp gỡ, xác minh tại nơi ở và ở trường."
    return {"act": "assess-initial", **rated(random), "conclusion": conclusion, "answers": answers}


def detailed(random: Random, now: datetime, level: str | None) -> Json:
    """Form 03. In: the level of the initial assessment, which it mostly confirms."""
    answers = {
        "assessed-on": today(now).isoformat(),
        "people-met": [
            {"name": full_name(random, "female"), "relation": "cô giáo chủ nhiệm", "met-on": today(now).isoformat()},
            {"name": full_name(random, "male"), "relation": "trưởng xóm"},
        ],
        "health": "Phát triển bình thường so với tuổi.",
        "mind": "Hay giật mình, dần cởi mở khi được hỏi chuyện.",
        "education": "Học lực trung bình, nghỉ học vài buổi.",
        "risk-factors": "Bố mẹ đi làm xa, trẻ ở nhà một mình buổi tối.",
        "family": "Bố mẹ làm thuê theo mùa, nhà còn khó khăn.",
        "support-around": "Có bà nội và cô giáo sẵn lòng giúp.",
        "needs": "An toàn tại nhà, hỗ trợ tâm lý, đi học đều.",
        "wishes": "Trẻ muốn ở với bà và được đến trường.",
    }
    kept = level if level in _SAFER and random.random() < 0.7 else None
    conclusion = "Cần hỗ trợ nhiều tháng, có sự tham gia của các ngành."
    return {"act": "assess-detailed", **rated(random, kept), "conclusion": conclusion, "answers": answers}


def needs_meeting(random: Random, now: datetime) -> Json:
    """Minutes of the needs meeting."""
    answers = {
        "place": "Trụ sở UBND",
        "chair": full_name(random, "male"),
        "secretary": full_name(random, "female"),
        "attendees": [
            {"name": full_name(random, "female"), "body": "Trạm y tế"},
            {"name": full_name(random, "male"), "body": "Công an"},
            {"name": full_name(random, "female"), "body": "bà của trẻ"},
        ],
        "opinions": "Các bên thống nhất không để trẻ ở một mình buổi tối.",
        "needs": "An toàn tại nhà; hỗ trợ tâm lý; trở lại trường.",
        "decisions": "Y tế khám và hỗ trợ tâm lý; nhà trường kèm thêm; xã thăm hằng tuần.",
    }
    return {"act": "hold-needs-meeting", "held_on": today(now).isoformat(), "answers": answers}


def plan(random: Random, now: datetime) -> Json:
    """Form 04: services of sectors, and one that the commune gives itself."""
    chosen = random.sample(Terms.load("service-kinds").codes(), random.choice((1, 1, 2, 3)))
    return {
        "act": "draft-plan",
        "goals": "Trẻ được an toàn, ổn định tâm lý và trở lại trường.",
        "services": [_service(kind, random, now, commune=place > 0 and random.random() < 0.4) for place, kind in
                     enumerate(chosen)],
        "activities": "Thăm gia đình hằng tuần; bà nội đón trẻ sau giờ học.",
        "until": (today(now) + timedelta(days=60)).isoformat(),
        "answers": {
            "problems": "Trẻ chưa an toàn tại nhà và học không đều.",
            "resources": "Kinh phí bảo vệ trẻ em của xã.",
            "agreed-by": "Trẻ và gia đình đồng ý.",
        },
    }  # fmt: skip


def _service(kind: str, random: Random, now: datetime, *, commune: bool) -> Json:
    row: Json = {
        "kind": kind,
        "what-for": "Giúp trẻ ổn định trở lại.",
        "due": (today(now) + timedelta(days=random.randrange(10, 40))).isoformat(),
    }
    return row | ({"who": "Cán bộ xã"} if commune else {"sector": Terms.load("service-kinds").get(kind, "sector")})


def approval(random: Random, now: datetime) -> Json:
    """Form 05."""
    answers = {
        "decided-on": today(now).isoformat(),
        "grounds": "Luật Trẻ em 2016; Nghị định 56/2017/NĐ-CP, Điều 28.",
        "assignees": [{"who": "Cán bộ bảo vệ trẻ em", "task": "Theo dõi, thăm hằng tuần"}],
        "funding": "Ngân sách xã",
    }
    return {"act": "approve-plan", "number": f"{random.randrange(1, 400)}/QĐ-UBND", "answers": answers}


def review(random: Random, now: datetime, outcome: str) -> Json:
    """Form 06. In: what it concludes; a case is proposed to close only where the child is safe."""
    level = "low" if outcome == "close" else random.choice(("medium", "medium", "low"))
    stable = outcome == "close"
    answers = {
        "reviewed-on": today(now).isoformat(),
        "taking-part": [{"name": full_name(random, "female"), "body": "Trường học"}],
        "results": [{"what": "Hỗ trợ tâm lý", "result": "Trẻ bớt sợ, ngủ ngon hơn."}],
        **dict.fromkeys(("body", "mind", "cognition", "feelings"), stable),
    }
    findings = "Đã rà soát cùng các bên cung cấp dịch vụ và gia đình."
    return {"act": "hold-review", "outcome": outcome, "findings": findings, **rated(random, level), "answers": answers}


def emergency(random: Random, now: datetime) -> Json:
    """Form 07."""
    measure = random.choice(Terms.load("emergency-measures").codes())
    answers = {
        "number": f"{random.randrange(1, 400)}/QĐ-UBND",
        "place-of-stay": "Nhà bà nội",
        "carer": full_name(random, "female"),
        "executors": [{"who": "Công an", "task": "Bảo đảm an toàn"}, {"who": "Trạm y tế", "task": "Khám cho trẻ"}],
    }
    decision = "Bảo đảm an toàn cho trẻ ngay trong ngày."
    return {"act": "decide-emergency", "measure": measure, "decision": decision, "answers": answers}
