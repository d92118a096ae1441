"""Mappings as data: what an agency writes in YAML, checked against the event's contract when it is loaded.

A mapping says where facts stand and how they are spelt; it holds no facts. How to write one: docs/how-to/mappings.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.contracts import CONTRACTS
from shared.contracts.base import TYPE_PREFIX
from shared.contracts.vocabulary import Sector
from shared.files.tables import Cell, FileProblem
from shared.reference.text import fold

_SHIPPED = Path(__file__).parent / "mappings"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """How one field is filled.

    Args:
        column: the header. as: how its cells are read; `birth`: as much of a date as is known, `birth-precision`: how
            much that is. rule: prefixes the rules a bad cell breaks: `name` gives `name-missing`. required: an empty
            cell breaks one. lenient: a bad cell counts as unknown instead.
        under: completed years on the register's date from which somebody is no child (`not-a-child`).
        day_of: for ages, the field that says on which day. values: what each wording means; otherwise: all others.
        list: the field holds several values, in the cell separated by `;`, `+`, `/` or `|`.
    """

    column: str
    kind: Literal[
        "text", "date", "birth", "birth-precision", "moment", "age", "age-on", "integer", "sex", "unit", "choice"
    ] = Field(default="text", alias="as")
    rule: str | None = None
    required: bool = False
    lenient: bool = False
    under: int | None = None
    day_of: str | None = None
    values: dict[str, Any] = Field(default_factory=dict)
    otherwise: Any = None
    list: bool = False


class Identifier(_Strict):
    """Where a row's own id stands, or from which columns one is made."""

    column: str | None = None
    derived: tuple[str, ...] = ()


class Mapping(_Strict):
    """One form of file.

    Args:
        name, title: of the form. sector: whose token publishes it. type: the event each row becomes, without prefix.
        source: the events' source, below `/agency/<sector>/`. columns: a row with all of these is the header.
        id: the column of the sender's own record id, or the columns that a keyed id is made from.
        as_of: the words before the register's own date in the rows above the header.
        constants: fields that are the same in every row. fields: where each of the others stands.
    """

    name: str
    title: str
    sector: Sector
    type: str
    source: str
    columns: tuple[str, ...]
    id: Identifier
    as_of: str | None = None
    constants: dict[str, Any] = Field(default_factory=dict)
    fields: dict[str, Column]

    @model_validator(mode="after")
    def _keeps_the_contract(self) -> Mapping:
        model = CONTRACTS.get(TYPE_PREFIX + self.type)
        if model is None or model.OWNER is None:
            raise ValueError(f"type: agencies publish no {self.type}")
        filled = {name.split(".")[0] for name in (*self.fields, *self.constants)}
        if unknown := filled - set(model.model_fields):
            raise ValueError(f"fields: {self.type} has no {', '.join(sorted(unknown))}")
        if not self.source.startswith(f"/agency/{self.sector}/"):
            raise ValueError(f"source: must begin with /agency/{self.sector}/")
        return self

    @classmethod
    def load(cls, path: Path) -> Mapping:
        """From a YAML file, or one that comes with the library by its bare name. Raises `FileProblem`."""
        if not path.suffix and not path.exists():
            path = _SHIPPED / f"{path.name}.yaml"
        try:
            return cls.model_validate(yaml.safe_load(path.read_text("utf-8")))
        except (ValidationError, yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            where = "not found" if isinstance(error, OSError) else "YAML"
            if isinstance(error, ValidationError):
                where = ", ".join(
                    ".".join(map(str, item["loc"])) or item["msg"].removeprefix("Value error, ")
                    for item in error.errors()
                )
            raise FileProblem(
                path, "mapping", f"Tệp ánh xạ sai tại: {where}.", f"The mapping is wrong at: {where}."
            ) from None

    def fits(self, header: Sequence[Cell]) -> bool:
        """Whether a row of a file is this form's header."""
        found = {fold(str(cell)) for cell in header if cell is not None}
        return all(fold(column) in found for column in self.columns)

    def known(self, header: Sequence[Cell]) -> int:
        """How many of a header's columns it reads."""
        mine = {fold(column.column) for column in self.fields.values()}
        return len(mine & {fold(str(cell)) for cell in header if cell is not None})


@cache
def shipped() -> tuple[Mapping, ...]:
    """The mappings that come with the platform."""
    return tuple(Mapping.load(file) for file in sorted(_SHIPPED.glob("*.yaml")))
