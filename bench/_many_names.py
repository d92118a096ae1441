"""Names, numbers and birth dates of many children, about as frequent as in life, indexed just as the service does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from local.simulation.names import full_name
from services.cases.desk.finding import tokens_of
from services.cases.store.finding import token_rows
from shared.contracts.vocabulary import ChildDescription, Sex
from shared.privacy import Keys

_SEXES: tuple[Sex, ...] = ("female", "male")
_FIRST_BIRTH = date(2009, 1, 1)
_BIRTH_DAYS = 17 * 365
_COLUMNS = ("token", "file_id", "child", "words", "kind")


@dataclass(frozen=True, slots=True)
class Named:
    """The children by file; of the wanted files' names, one that most children have and one that fewest have."""

    children: dict[str, ChildDescription]
    common: str
    rare: str


def named(files: Sequence[str], wanted: Sequence[str]) -> Named:
    """A child for each file, the same ones each time. `wanted`: files whose names are searched for."""
    random = Random(42)
    children = {
        file: ChildDescription(
            name=full_name(random, random.choice(_SEXES)),
            number=f"019{random.randrange(10**9):09d}",
            birth_date=_FIRST_BIRTH + timedelta(days=random.randrange(_BIRTH_DAYS)),
        )
        for file in files
    }
    having = Counter(child.name for child in children.values())
    names = sorted({children[file].name or "" for file in wanted}, key=lambda name: having[name])
    return Named(children, common=names[-1], rare=names[0])


async def index(connection: AsyncConnection, keys: Keys, children: dict[str, ChildDescription]) -> None:
    """Write how the children are found."""
    rows = [
        row
        for file, child in children.items()
        for row in token_rows(file, [tokens_of(keys, child.name, child.number, child.birth_date)])
    ]
    await connection.execute(text("DROP INDEX finding_file"))
    raw = await connection.get_raw_connection()
    # In the order of the primary key, which grows at its end then.
    await raw.driver_connection.copy_records_to_table("finding", records=sorted(rows), columns=_COLUMNS)  # type: ignore[union-attr]
    await connection.execute(text("CREATE INDEX finding_file ON finding (file_id, child)"))
