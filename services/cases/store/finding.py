"""Finding reports and cases by who the child is, without knowing it: keyed tokens of words stand beside their files.

A token tells nothing without the master key. Nothing is found of a file whose key was erased, and its tokens go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.finding import ALIKE_BORN, ALIKE_HERE
from services.cases.store.statements import NOT_KEPT_OUT, Table, Units, in_units, units_of, write
from shared.database.statements import text

TokenKind = Literal["word", "number", "birth"]
# A word that more files than this hold finds nobody.
COMMON = 20_000
# Words as rare as this each find candidates of their own, so that one misheard word does not hide a child.
RARE = 300
# A search looks up so many of those whose words fit, the best first: who wants one of more has to say more of the name.
MOST = 1000

_RARITY = text(
    """SELECT token, (SELECT count(*) FROM (SELECT 1 FROM finding WHERE finding.token = asked.token
                      LIMIT :most) AS held) AS held
       FROM unnest(CAST(:tokens AS bytea[])) AS asked (token)"""
)
_FINDING = Table("finding", ("token", "file_id", "child", "words", "kind"), key=())


@dataclass(frozen=True, slots=True)
class Tokens:
    """What is known of one child, as tokens. `words`: of the name, each once."""

    words: tuple[bytes, ...] = ()
    number: bytes | None = None
    birth: bytes | None = None

    def kinds(self) -> dict[bytes, TokenKind]:
        """All tokens with what they are of."""
        kinds: dict[bytes, TokenKind] = dict.fromkeys(self.words, "word")
        if self.number is not None:
            kinds[self.number] = "number"
        if self.birth is not None:
            kinds[self.birth] = "birth"
        return kinds


def token_rows(file_id: str, children: Sequence[Tokens]) -> list[tuple[bytes, str, int, int, TokenKind]]:
    """The rows by which a file is found: token, file, the child's place, how many words its name has, what it is of."""
    return [
        (token, file_id, place, len(tokens.words), kind)
        for place, tokens in enumerate(children, start=1)
        for token, kind in tokens.kinds().items()
    ]


def finding_rows(files: Mapping[str, Sequence[Tokens]]) -> tuple[Table, list[dict[str, Any]]]:
    """The tokens of new files, to be written. In: children by file."""
    return _FINDING, [
        dict(zip(_FINDING.columns, (f"\\x{token.hex()}", *others), strict=True))
        for file_id, children in files.items()
        for token, *others in token_rows(file_id, children)
    ]


async def keep_tokens(connection: AsyncConnection, file_id: str, children: Sequence[Tokens]) -> None:
    """A file is found by these children, and no more by any it was found by before."""
    await connection.execute(text("DELETE FROM finding WHERE file_id = :file_id"), {"file_id": file_id})
    await write(connection, [finding_rows({file_id: children})])


async def drop_erased_tokens(connection: AsyncConnection, since: datetime) -> None:
    """Forget the tokens of files whose key was erased since a moment."""
    await connection.execute(
        text(
            """DELETE FROM finding WHERE file_id IN (SELECT substr(kid, 6) FROM privacy_key
               WHERE wrapped IS NULL AND changed_at >= :since AND starts_with(kid, 'case/'))"""
        ),
        {"since": since},
    )


async def rarity(connection: AsyncConnection, tokens: Sequence[bytes]) -> dict[bytes, int]:
    """How many files hold each token, counted up to `COMMON`."""
    rows = await connection.execute(_RARITY, {"tokens": list(tokens), "most": COMMON})
    return {bytes(row.token): row.held for row in rows}


async def files_like(
    connection: AsyncConnection,
    asked: Tokens,
    leading: Sequence[bytes],
    units: Units,
    reader: str,
    *,
    all_words: bool = False,
    many: bool = False,
    sector: str | None = None,
    entered_by: str | None = None,
    without: str = "",
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Reports and cases that share tokens with what is asked, those that share most first.

    In: `leading`: the rare tokens, one of which a file must hold; `all_words`: it must hold each word of the name.
    `many`: more files than `MOST` may fit, and those of the reader's own area must not be lost among them.
    `reader`: who looks; a case from which they are kept out is not found. `sector`, `entered_by`: only such reports.
    `without`: a file that is not meant. Out: the concern's and the case's coarse columns, and `shared_words`, `words`,
    `same_number`, `same_birth`.
    """
    narrowed = f"{in_units(units, 'coalesce(cases.unit, concern.unit)')} {NOT_KEPT_OUT}"
    values: dict[str, Any] = {
        "tokens": list(asked.kinds()),
        "leading": list(leading),
        "asked": len(asked.words),
        "all_words": all_words,
        # A search by all words wants nothing less than all of them.
        "alike": 2.0 if all_words else ALIKE_HERE,
        "alike_born": 2.0 if all_words else ALIKE_BORN,
        "without": without,
        "reader": reader,
        "limit": limit,
        # A search shows some and says that there are more; who may be the same child is looked up to the last one.
        "most": MOST if all_words else COMMON,
        **units_of(units),
    }
    for name, value in (("sector", sector), ("entered_by", entered_by)):
        if value is not None:
            narrowed += f" AND concern.{name} = :{name}"
            values[name] = value
    area = ""
    if many:
        area = _ENTERED if entered_by is not None else _AREA if units != "all" else ""
    statement = _LIKE.format(
        narrowed=narrowed, area=area, held_in_area="AND file_id IN (SELECT file_id FROM area)" if area else ""
    )
    rows = await connection.execute(text(statement), values)
    return [dict(row) for row in rows.mappings()]


async def file_by_code(connection: AsyncConnection, code: str) -> Mapping[str, Any] | None:
    """The report or case of a code: `what` (concern or case), id, unit, entered_by."""
    rows = await connection.execute(
        text(
            """SELECT 'case' AS what, id, unit, NULL AS entered_by FROM cases WHERE code = :code
               UNION ALL SELECT 'concern', id, unit, entered_by FROM concern WHERE code = :code"""
        ),
        {"code": code},
    )
    row = rows.mappings().one_or_none()
    return None if row is None else dict(row)


async def matters_by_code(connection: AsyncConnection, codes: Sequence[str]) -> list[dict[str, Any]]:
    """The cases and reports of some codes, newest first: `what` (concern or case) and their coarse columns."""
    rows = await connection.execute(
        text(
            """SELECT 'case' AS what, id, code, unit, kind, sex, age_band, status, step, received_at, NULL AS entered_by
               FROM cases WHERE code = ANY(:codes)
               UNION ALL SELECT 'concern', id, code, unit, kind, sex, age_band, status, NULL, received_at, entered_by
               FROM concern WHERE code = ANY(:codes) ORDER BY received_at DESC, what"""
        ),
        {"codes": list(codes)},
    )
    return [dict(row) for row in rows.mappings()]


# The files of an area as they are led now: its cases', and its reports of which no case came.
_AREA = """area AS MATERIALIZED (
    SELECT concern.file_id FROM cases JOIN concern ON concern.case_id = cases.id WHERE cases.unit = ANY(:units)
    UNION SELECT part.file_id FROM cases JOIN concern_child AS part ON part.case_id = cases.id
          WHERE cases.unit = ANY(:units)
    UNION SELECT file_id FROM concern WHERE case_id IS NULL AND unit = ANY(:units)
),"""
# What somebody wrote down themselves.
_ENTERED = """area AS MATERIALIZED (
    SELECT file_id FROM concern WHERE entered_by = :entered_by
    UNION SELECT part.file_id FROM concern JOIN concern_child AS part ON part.concern_id = concern.id
          WHERE concern.entered_by = :entered_by
),"""

# Words are counted within the primary key alone; what is known of a file is looked up for the `:most` that fit best.
_LIKE = """
WITH {area} held AS (
    SELECT DISTINCT file_id, child FROM finding
    WHERE token = ANY(:leading) AND file_id <> :without {held_in_area}
), fitting AS (
    SELECT finding.file_id, finding.child, finding.words,
           count(*) FILTER (WHERE kind = 'word') AS shared_words,
           bool_or(kind = 'number') AS same_number, bool_or(kind = 'birth') AS same_birth
    FROM held JOIN finding ON finding.file_id = held.file_id AND finding.child = held.child
    WHERE finding.token = ANY(:tokens)
    GROUP BY finding.file_id, finding.child, finding.words
    HAVING bool_or(kind = 'number')
        OR 2.0 * count(*) FILTER (WHERE kind = 'word') / greatest(CAST(:asked AS integer) + finding.words, 1)
           >= CASE WHEN bool_or(kind = 'birth') THEN CAST(:alike_born AS float) ELSE CAST(:alike AS float) END
        OR CAST(:all_words AS boolean) AND count(*) FILTER (WHERE kind = 'word') = CAST(:asked AS integer)
), alike AS (
    SELECT * FROM fitting
    ORDER BY same_number DESC NULLS LAST, same_birth DESC NULLS LAST, shared_words::float / greatest(words, 1) DESC
    LIMIT :most
)
SELECT alike.*, concern.id AS concern_id, concern.code AS concern_code, concern.status AS concern_status,
       concern.received_at, concern.kind AS concern_kind, concern.unit AS concern_unit, concern.entered_by,
       cases.id AS case_id, cases.code AS case_code, cases.status AS case_status, cases.step, cases.kind AS case_kind,
       cases.unit AS case_unit, coalesce(cases.sex, concern.sex) AS sex,
       coalesce(cases.age_band, concern.age_band) AS age_band
FROM alike
LEFT JOIN concern_child AS part ON part.file_id = alike.file_id
JOIN concern ON concern.id = coalesce(part.concern_id, (SELECT id FROM concern AS own
                                                        WHERE own.file_id = alike.file_id))
LEFT JOIN cases ON cases.id = coalesce(part.case_id, concern.case_id)
WHERE NOT EXISTS (SELECT 1 FROM privacy_key WHERE kid = 'case/' || alike.file_id AND wrapped IS NULL) {narrowed}
ORDER BY same_number DESC NULLS LAST, same_birth DESC NULLS LAST,
         shared_words::float / greatest(alike.words, 1) DESC, concern.received_at DESC
LIMIT :limit
"""
