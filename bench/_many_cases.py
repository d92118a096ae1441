"""A province's case files of some years, made by the database itself: what is read of them afterwards is really sealed.

Lines lie in the order of their time, as they were written, so that a case's are scattered as they would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench._many_names import Named, index, named
from shared.contracts.vocabulary import ChildDescription
from shared.database import Database
from shared.privacy import Keys
from shared.reference.forms import Forms
from shared.reference.terms import Terms
from shared.reference.units import Units

HOME = "05443"
WORKER = "lan.worker"
CHAIR = "binh.chair"
COORDINATOR = "ha.coordinator"
_LINES_A_CASE = 25
_SPAN = timedelta(days=3 * 365)
_WORDS = {
    "text": "Đã đến nhà, gặp trẻ và người chăm sóc; trẻ ổn định hơn tuần trước, sẽ thăm lại vào thứ Hai tới. " * 2
}
# A plan as it is filled in, of which each time some words are others.
_PLAN = dict.fromkeys(
    ("problems", "resources", "agreed-by"),
    "Trẻ được thăm hằng tuần, gia đình được hướng dẫn, nhà trường theo dõi việc đến lớp. " * 3,
)
# As long as sealed words are; of the lines that nobody opens here.
_FILLING = "A" * 420

# What the statements below are told, with its types.
_GIVEN = """CREATE TEMPORARY TABLE given AS SELECT CAST(:units AS text[]) AS units,
    CAST(:n_units AS integer) AS n_units,
    CAST(:kinds AS text[]) AS kinds, CAST(:n_kinds AS integer) AS n_kinds, CAST(:now AS timestamptz) AS now,
    CAST(:span AS interval) AS span, CAST(:cases AS integer) AS cases, CAST(:lines AS integer) AS lines,
    CAST(:busiest AS integer) AS busiest, CAST(:most AS integer) AS most, CAST(:home AS text) AS home,
    CAST(:worker AS text) AS worker, CAST(:chair AS text) AS chair, CAST(:coordinator AS text) AS coordinator,
    CAST(:filling AS text) AS filling, CAST(:plan AS jsonb) AS plan"""

_MADE = """CREATE TEMPORARY TABLE made AS
SELECT n, CAST(md5('case' || n) AS uuid)::text AS id,
    (given.units)[1 + (n * 7919) % given.n_units] AS unit,
    given.now - given.span * (1 - n::float / given.cases) - interval '1 hour' AS opened_at,
    n > given.cases * 0.9 AND random() < 0.8 AS open, random() AS chance, random() AS other,
    (given.kinds)[1 + (random() * 10000)::int % given.n_kinds] AS kind,
    (ARRAY['intake', 'assessment', 'plan', 'approval', 'carrying-out', 'carrying-out', 'review'])[
        1 + (random() * 10000)::int % 7] AS step
FROM given CROSS JOIN generate_series(1, given.cases) AS n"""

_CASES = """INSERT INTO cases (id, code, concern_id, unit, sex, age_band, kind, risk, status, step, sector, channel,
    danger_now, received_at, opened_at, child_id, identity, candidates, verified, worker, worker_name, version,
    sequence, next_moment, next_due)
SELECT id, 'TN-2026-' || lpad(n::text, 6, '0'), CAST(md5('concern' || n) AS uuid)::text, unit,
    CASE WHEN chance < 0.5 THEN 'female' ELSE 'male' END,
    (ARRAY['0-3', '4-5', '6-10', '11-15'])[1 + (chance * 1000)::int % 4], kind,
    (ARRAY['high', 'high', 'medium', 'medium', 'medium', 'low', 'low', 'unassessed'])[1 + (other * 1000)::int % 8],
    CASE WHEN open THEN 'open' WHEN chance < 0.02 THEN 'merged' ELSE 'closed' END,
    CASE WHEN open THEN step WHEN chance < 0.02 THEN 'merged' ELSE 'closed' END,
    (ARRAY['hotline', 'education', 'health', 'police'])[1 + (chance * 1000)::int % 4], 'hotline-111', 'no',
    opened_at, opened_at, CAST(md5('child' || n) AS uuid)::text,
    CASE WHEN open AND other < 0.05 THEN 'candidates' ELSE 'linked' END,
    CASE WHEN open AND other < 0.05
         THEN '[{"child_id": "child-a", "probability": 0.8, "reasons": []}]'::jsonb ELSE '[]' END,
    true, CASE WHEN unit = given.home THEN given.worker ELSE 'worker.' || unit END, 'Cán bộ xã', 9, 20,
    CASE WHEN open THEN given.now + interval '30 days' END,
    CASE WHEN open AND chance < 0.9 THEN given.now + (other * 12 - 1) * interval '1 day' END
FROM given CROSS JOIN made"""

_DEADLINES = """INSERT INTO deadline (id, case_id, kind, started_at, due, nearing_at, legal_source, state, settled_at)
SELECT CAST(md5('deadline' || n || '/' || k) AS uuid)::text, id,
    (ARRAY['initial-assessment', 'emergency-12h', 'detailed-assessment-5wd', 'plan-approval'])[k],
    opened_at, opened_at + k * interval '12 hours', opened_at + k * interval '6 hours',
    'Decree 56/2017/ND-CP, Art. 26(2)', CASE WHEN other < 0.1 THEN 'met-late' ELSE 'met' END,
    opened_at + k * interval '11 hours'
FROM made CROSS JOIN generate_series(1, 3) AS k
UNION ALL
SELECT CAST(md5('running' || made.n) AS uuid)::text, made.id,
    CASE made.step WHEN 'approval' THEN 'plan-approval' WHEN 'intake' THEN 'initial-assessment'
              ELSE 'detailed-assessment-5wd' END,
    cases.next_due - interval '5 days', cases.next_due, cases.next_due - interval '1 day',
    'Decree 56/2017/ND-CP, Art. 28(1)', CASE WHEN cases.next_due < given.now THEN 'missed' ELSE 'running' END, NULL
FROM given CROSS JOIN made JOIN cases ON cases.id = made.id WHERE cases.next_due IS NOT NULL"""

_TASKS = """INSERT INTO task (id, case_id, kind, sector, state, asked_at, due, answered_at, pending)
SELECT CAST(md5('task' || n || '/' || k) AS uuid)::text, id,
    (ARRAY['verification', 'medical-examination'])[k], (ARRAY['police', 'health'])[k],
    CASE WHEN NOT open THEN 'done' WHEN other < 0.2 THEN 'requested' WHEN other < 0.3 THEN 'accepted'
         WHEN other < 0.35 THEN 'overdue' WHEN other < 0.37 THEN 'declined' ELSE 'done' END,
    opened_at,
    CASE WHEN open THEN given.now + (chance * 6 - 1) * interval '1 day' ELSE opened_at + interval '3 days' END,
    CASE WHEN NOT open OR other >= 0.35 THEN opened_at + interval '2 days' END,
    CASE WHEN open AND other BETWEEN 0.2 AND 0.21 THEN 'question' END
FROM given CROSS JOIN made CROSS JOIN generate_series(1, 2) AS k"""

_MEMBERS = """INSERT INTO member (case_id, person, role, how, state, since)
SELECT id, who, role, 'role', 'member', opened_at FROM given CROSS JOIN made
CROSS JOIN LATERAL (
    VALUES (CASE WHEN unit = given.home THEN given.worker ELSE 'worker.' || unit END, 'worker'),
           (CASE WHEN unit = given.home THEN given.chair ELSE 'chair.' || unit END, 'chair')) AS team (who, role)"""

_CONCERNS = """INSERT INTO concern (id, code, case_id, file_id, unit, sex, age_band, kind, kinds, danger_now, sector,
    channel, status, received_at, taken_in_at, said, version, sequence)
SELECT CAST(md5('concern' || n) AS uuid)::text, 'BT-2026-' || lpad(n::text, 6, '0'),
    CASE WHEN n <= given.cases THEN CAST(md5('case' || n) AS uuid)::text END,
    CAST(md5(CASE WHEN n <= given.cases THEN 'case' ELSE 'file' END || n) AS uuid)::text,
    (given.units)[1 + (n * 7919) % given.n_units], 'female', '6-10', 'violence', '["violence"]',
    CASE WHEN n % 3 = 0 THEN 'unknown' ELSE 'no' END, 'hotline', 'hotline-111',
    CASE WHEN n <= given.cases THEN 'opened' ELSE 'received' END, at, at, '{}', 1, 1
FROM (SELECT n, CASE WHEN n <= given.cases THEN given.now - given.span * (1 - n::float / given.cases)
                     ELSE given.now - random() * interval '20 hours' END AS at
      FROM given CROSS JOIN generate_series(1, given.cases + 3 * given.n_units) AS n) AS each CROSS JOIN given"""

_LINES = """INSERT INTO entry (case_id, at, kind, sector, who, who_name, data, words, version)
SELECT id, at, kind, CASE WHEN kind LIKE 'task.%' THEN 'police' END,
    CASE WHEN kind LIKE 'deadline.%' THEN 'system' WHEN unit = given.home THEN given.worker ELSE 'worker.' || unit END,
    CASE WHEN kind LIKE 'deadline.%' THEN '' ELSE 'Cán bộ xã' END,
    CASE WHEN kind LIKE 'task.%' THEN jsonb_build_object(
             'kind', 'verification', 'due', at, 'task_id', md5('task' || id || '/' || k % 20))
         WHEN kind LIKE 'deadline.%' THEN jsonb_build_object('kind', 'detailed-assessment-5wd', 'due', at)
         WHEN kind = 'plan.drafted' THEN given.plan
         WHEN kind = 'facts.verified' THEN '{"confirmed": true}' ELSE '{}' END,
    CASE WHEN kind IN ('note', 'facts.verified', 'plan.drafted', 'task.done')
         THEN jsonb_build_object('sealed', 'A256GCM', 'kid', 'case/' || id, 'text', given.filling) END, 1
FROM (SELECT id, unit, k, least(opened_at + random() ^ 2 * interval '100 days', given.now) AS at,
             (ARRAY['case.opened', 'deadline.started', 'facts.verified', 'task.requested', 'deadline.met', 'note',
                    'note', 'task.done', 'plan.drafted', 'plan.approved', 'note'])[1 + (k + n) % 11] AS kind
      FROM given CROSS JOIN made
      CROSS JOIN LATERAL generate_series(1, CASE WHEN n = given.busiest THEN given.most ELSE given.lines END) AS k
) AS each CROSS JOIN given
ORDER BY at"""

# As if the readers had looked at each a while ago: two lines are new to them.
_LOOKS = """INSERT INTO last_look (person, case_id, entry_id, since_id, at)
SELECT who.person, cases.id, seen.id, seen.id, given.now - interval '1 day' FROM given CROSS JOIN cases
CROSS JOIN LATERAL (
    VALUES (given.worker, given.home), (given.chair, given.home), (given.coordinator, '')) AS who (person, unit)
CROSS JOIN LATERAL (SELECT id FROM entry WHERE case_id = cases.id ORDER BY id DESC OFFSET 2 LIMIT 1) AS seen
WHERE cases.status = 'open' AND (cases.unit = who.unit OR who.unit = '' AND left(cases.id, 1) IN ('1', '2'))"""


@dataclass(frozen=True, slots=True)
class Made:
    """What there is: ids of typical open cases of the home commune, and of the one with the most lines.

    To be searched: `codes` and `numbers` of the typical ones, a name that most children have, and one that fewest have.
    """

    typical: list[str]
    busiest: str
    cases: int
    lines: int
    codes: list[str]
    numbers: list[str]
    common: str
    rare: str


async def make(database: Database, keys: Keys, now: datetime, cases: int, most: int) -> Made:
    """Fill a fresh database of the service. In: how many cases, and how many lines the busiest of them has."""
    units, kinds = list(Units.load().codes()), list(Terms.load("case-kinds").codes())
    # The newest case of the home commune becomes the busiest.
    busiest = next(n for n in range(cases, 0, -1) if units[n * 7919 % len(units)] == HOME)
    values = {
        "units": units,
        "n_units": len(units),
        "kinds": kinds,
        "n_kinds": len(kinds),
        "now": now,
        "span": _SPAN,
        "cases": cases,
        "lines": _LINES_A_CASE,
        "busiest": busiest,
        "most": most,
        "home": HOME,
        "worker": WORKER,
        "chair": CHAIR,
        "coordinator": COORDINATOR,
        "filling": _FILLING,
        "plan": orjson.dumps({"form": "04", "form_of": Forms.load().form("04").effective_from.isoformat()}).decode(),
    }
    async with database.transaction() as connection:
        for setting in ("session_replication_role = replica", "work_mem = '512MB'", "maintenance_work_mem = '512MB'"):
            await connection.execute(text(f"SET LOCAL {setting}"))
        await connection.execute(text("SELECT setseed(0.42)"))
        await connection.execute(text(_GIVEN), values)
        await connection.execute(text(_MADE))
        await connection.execute(
            text("UPDATE made SET open = true, step = 'carrying-out' WHERE n = :n"), {"n": busiest}
        )
        await connection.execute(text("DROP INDEX entry_case"))
        for statement in (_CASES, _DEADLINES, _TASKS, _MEMBERS, _CONCERNS, _LINES):
            await connection.execute(text(statement))
        await connection.execute(text("CREATE INDEX entry_case ON entry (case_id, id)"))
        await connection.execute(text("ANALYZE entry"))
        await connection.execute(text(_LOOKS))
        files = await connection.execute(text("SELECT file_id FROM concern ORDER BY file_id"))
        typical = await _typical(connection)
        children = named([row.file_id for row in files], list(typical))
        await index(connection, keys, children.children)
        made = await _made(connection, typical, children)
        for case_id in (*made.typical, made.busiest):
            await _seal(connection, keys, case_id, children.children[case_id])
    async with database.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("VACUUM (ANALYZE, PARALLEL 0)"))
    return made


async def _typical(connection: AsyncConnection) -> dict[str, str]:
    """The codes of some open cases of the home commune, by id."""
    rows = await connection.execute(
        text(
            """SELECT cases.id, cases.code FROM cases CROSS JOIN given JOIN made ON made.id = cases.id
               WHERE cases.unit = home AND status = 'open' AND n <> busiest ORDER BY id LIMIT 60"""
        )
    )
    return {row.id: row.code for row in rows}


async def _made(connection: AsyncConnection, typical: dict[str, str], children: Named) -> Made:
    counted = await connection.execute(
        text(
            """SELECT made.id, (SELECT count(*) FROM cases), (SELECT count(*) FROM entry)
               FROM made JOIN given ON made.n = busiest"""
        )
    )
    busiest, cases, lines = counted.one()
    numbers = [children.children[case_id].number or "" for case_id in typical]
    return Made(list(typical), busiest, cases, lines, list(typical.values()), numbers, children.common, children.rare)


async def _seal(connection: AsyncConnection, keys: Keys, case_id: str, child: ChildDescription) -> None:
    """Seal a case's words and report under a key of its own."""
    kid = f"case/{case_id}"
    rows = await connection.execute(
        text("SELECT id, kind FROM entry WHERE case_id = :id AND words IS NOT NULL"), {"id": case_id}
    )
    said = {
        row.id: {**_PLAN, "goals": f"Mục tiêu lần {row.id}"} if row.kind == "plan.drafted" else _WORDS for row in rows
    }
    ids = list(said)
    words = [(await keys.seal(connection, plain, kid)).model_dump_json() for plain in said.values()]
    await connection.execute(
        text(
            """UPDATE entry SET words = CAST(known.words AS jsonb)
               FROM unnest(CAST(:ids AS bigint[]), CAST(:words AS text[])) AS known (id, words)
               WHERE entry.id = known.id"""
        ),
        {"ids": ids, "words": words},
    )
    said = {
        "child": (await keys.seal(connection, child, kid)).model_dump(),
        "what_happened": (await keys.seal(connection, "Bị đánh nhiều lần", kid)).model_dump(),
    }
    await connection.execute(
        text("UPDATE concern SET said = CAST(:said AS jsonb) WHERE case_id = :id"),
        {"said": orjson.dumps(said).decode(), "id": case_id},
    )
