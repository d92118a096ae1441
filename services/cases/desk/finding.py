"""The desk's finding: which earlier reports may be about the same child, and the search by code, child and number.

What is asked is never kept; that it was asked is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from services.cases import store
from services.cases.domain.finding import FITS, Fit, fit_of, number_of, words_of
from services.cases.domain.model import Actor
from services.cases.store import ConcernFile, Tokens, Writes
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.router import Scope
from shared.privacy import Keys

_SHOWN = 8
_LISTED = 50
_CODE = re.compile(r"(TN|BT)[-\s]?(\d{4})[-\s]?(\d{1,9})", re.IGNORECASE)
# The number alone, as people say it, and in how many years it is looked for.
_LAST_DIGITS = re.compile(r"[0-9]{1,8}")
_YEARS = 10
_ERASED_WITHIN = timedelta(days=2)
# Who looks beyond what their own sector reported: within their area, which for some is the province.
_BEYOND_SECTOR = frozenset({"worker", "chair", "coordinator", "hotline"})


@dataclass(frozen=True, slots=True)
class Match:
    """A report, or the case that it is about, which may be of the same child. Coarse facts only.

    `fit`: how well; None where a search asked for it. `status`: the case's, else the report's.
    """

    file_id: str
    concern_id: str
    concern_code: str
    received_at: datetime
    unit: str
    kind: str
    status: str
    fit: Fit | None
    case_id: str | None
    case_code: str | None
    step: str | None
    entered_by: str | None
    same_birth: bool
    same_number: bool
    sex: str = "unknown"
    age_band: str = "unknown"

    @property
    def matter(self) -> tuple[Literal["case", "concern"], str]:
        """What it leads to: the case if there is one, and its id."""
        return ("case", self.case_id) if self.case_id is not None else ("concern", self.concern_id)

    @property
    def open_case(self) -> bool:
        """Whether a report may be linked to it."""
        return self.case_id is not None and self.status == "open"


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found. `code_of`: where the words were a code, what it is of. `numbered`: where they were the last
    digits of codes, what these are of, also outside the actor's reach. `too_common`: the name means nobody in
    particular. `more`: there are others."""

    matches: Sequence[Match] = ()
    code_of: Mapping[str, Any] | None = None
    numbered: Sequence[Match] = ()
    too_common: bool = False
    more: bool = False
    asked: Literal["code", "number", "name", "nothing"] = "nothing"


class FindingDesk:
    """Finds.

    Args:
        keys: make the tokens.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def learn(
        self,
        scope: Scope,
        file_id: str,
        children: Sequence[ChildDescription | None],
        *,
        writes: Writes | None = None,
    ) -> None:
        """A file is found by these children from now on, and by no others. In: `writes`: as `CaseFiles.save`, for a
        file that is new."""
        tokens = [
            tokens_of(self._keys, child.name, child.number, child.birth_date) if child else Tokens()
            for child in children
        ]
        if writes is not None:
            writes.tokens[file_id] = tokens
        else:
            await store.keep_tokens(scope.connection, file_id, tokens)

    async def forget(self, scope: Scope) -> None:
        """Drop the tokens of files whose keys were erased of late."""
        await store.drop_erased_tokens(scope.connection, scope.now - _ERASED_WITHIN)

    async def earlier(
        self,
        scope: Scope,
        actor: Actor,
        *,
        name: str | None,
        number: str | None = None,
        birth_date: date | None = None,
        unit: str | None = None,
        without: ConcernFile | None = None,
    ) -> list[Match]:
        """Earlier reports and cases that may be about this child, the likeliest first; remembered as a search.

        Within what the actor may know of: the hotline and the coordinator of the province, a commune of itself, a
        sector of what it reported.
        """
        asked = tokens_of(self._keys, name, number, birth_date)
        if len(asked.words) < 2 and asked.number is None:
            return []
        leading, _common, _many = await self._leading(scope, asked)
        if not leading:
            return []
        rows = await store.files_like(
            scope.connection,
            asked,
            leading,
            actor.units,
            actor.id,
            # A sector's officer and its program alike; nobody else is here by a sector alone.
            sector=None if actor.role in _BEYOND_SECTOR else actor.sector or "none",
            without=without.file_id if without else "",
        )
        matches: list[Match] = []
        for row in rows:
            place = row["case_unit"] or row["concern_unit"]
            fit = fit_of(
                len(asked.words),
                row["words"],
                row["shared_words"],
                same_number=bool(row["same_number"]),
                same_birth=bool(row["same_birth"]),
                same_unit=place == unit,
            )
            if fit is not None:
                matches.append(_match(row, fit))
        best = _one_a_matter(sorted(matches, key=lambda match: FITS.index(match.fit or "possible")))[:_SHOWN]
        await self._remember(scope, actor, best)
        return best

    async def search(self, scope: Scope, actor: Actor, said: str) -> Found:
        """By code, personal number or name, in the actor's area; the hotline among what it wrote down itself.

        A search by name or number is remembered.
        """
        said = said.replace("\x00", " ")
        code = _CODE.fullmatch(said.strip())
        if code:
            kind, year, number = code.groups()
            found = await store.file_by_code(scope.connection, f"{kind.upper()}-{year}-{int(number):06d}")
            return Found(code_of=found, asked="code")
        if _LAST_DIGITS.fullmatch(said.strip()):
            years = range(scope.now.year, scope.now.year - _YEARS, -1)
            codes = [f"{kind}-{year}-{int(said):06d}" for year in years for kind in ("TN", "BT")]
            rows = await store.matters_by_code(scope.connection, codes)
            return Found(numbered=[_numbered(row) for row in rows], asked="code")
        number = number_of(said) if not re.search(r"[^\W\d_]", said) else None
        asked = tokens_of(self._keys, None, number, None) if number else tokens_of(self._keys, said, None, None)
        by: Literal["number", "name"] = "number" if number else "name"
        if not asked.kinds():
            return Found()
        leading, too_common, many = await self._leading(scope, asked)
        if not leading:
            await self._remember(scope, actor, [])
            return Found(too_common=too_common, asked=by)
        rows = await store.files_like(
            scope.connection,
            asked,
            leading[:1],
            actor.units,
            actor.id,
            all_words=True,
            many=many,
            entered_by=actor.id if actor.role == "hotline" else None,
            limit=_LISTED + 1,
        )
        matches = _one_a_matter([_match(row, None) for row in rows])[:_LISTED]
        await self._remember(scope, actor, matches)
        return Found(matches, more=len(rows) > _LISTED, asked=by)

    async def _leading(self, scope: Scope, asked: Tokens) -> tuple[list[bytes], bool, bool]:
        """The rare tokens to look up, the rarest first; whether there is none because all are too common; and whether
        even the rarest is of more files than a search looks up."""
        held = await store.rarity(scope.connection, list(asked.kinds()))
        known = sorted((token for token, files in held.items() if files), key=lambda token: held[token])
        usable = [token for token in known if held[token] < store.COMMON]
        # Of the birth date alone nobody is looked up: it only says how well somebody fits.
        named = [token for token in usable if token != asked.birth] or usable
        leading = [token for token in named if held[token] < store.RARE] or named[:1]
        return leading, bool(known) and not usable, any(held[token] > store.MOST for token in leading[:1])

    async def _remember(self, scope: Scope, actor: Actor, matches: Sequence[Match]) -> None:
        """That somebody looked, and whose files they were shown; never what they typed."""
        basis: store.Basis = "role" if actor.role in ("worker", "chair", "coordinator") else "entered"
        shown = sorted({match.file_id: match.case_id for match in matches}.items()) or [("-", None)]
        reads = [store.Read(file_id, case_id, "search", basis) for file_id, case_id in shown]
        await store.record_reads(scope.connection, actor, reads, scope.now)


def tokens_of(keys: Keys, name: str | None, number: str | None, birth_date: date | None) -> Tokens:
    """What is known of a child, as the tokens that it is found by."""
    digits = number_of(number)
    return Tokens(
        words=tuple(keys.blind(b"name", word.encode()) for word in words_of(name)),
        number=None if digits is None else keys.blind(b"number", digits.encode()),
        birth=None if birth_date is None else keys.blind(b"birth", birth_date.isoformat().encode()),
    )


def _match(row: Mapping[str, Any], fit: Fit | None) -> Match:
    return Match(
        file_id=row["file_id"],
        concern_id=row["concern_id"],
        concern_code=row["concern_code"],
        received_at=row["received_at"],
        unit=row["case_unit"] or row["concern_unit"],
        kind=row["case_kind"] or row["concern_kind"],
        status=row["case_status"] or row["concern_status"],
        fit=fit,
        case_id=row["case_id"],
        case_code=row["case_code"],
        step=row["step"],
        entered_by=row["entered_by"],
        same_birth=bool(row["same_birth"]),
        same_number=bool(row["same_number"]),
        sex=row["sex"],
        age_band=row["age_band"],
    )


def _numbered(row: Mapping[str, Any]) -> Match:
    is_case = row["what"] == "case"
    return Match(
        file_id="",
        concern_id="" if is_case else row["id"],
        concern_code="" if is_case else row["code"],
        received_at=row["received_at"],
        unit=row["unit"],
        kind=row["kind"],
        status=row["status"],
        fit=None,
        case_id=row["id"] if is_case else None,
        case_code=row["code"] if is_case else None,
        step=row["step"],
        entered_by=row["entered_by"],
        same_birth=False,
        same_number=False,
        sex=row["sex"],
        age_band=row["age_band"],
    )


def _one_a_matter(matches: Sequence[Match]) -> list[Match]:
    """Several reports of one case are one matter: the one that fits best stands for it."""
    kept: dict[str, Match] = {}
    for match in matches:
        kept.setdefault(match.case_id or match.concern_id, match)
    return list(kept.values())
