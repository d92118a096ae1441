"""The people and machines that may enter, read from one JSON file that an operator keeps.

It must never hold a default password, and the running process never writes it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.contracts.vocabulary import Sector, UnitCode
from shared.identity.passwords import is_argon2id, token_digest
from shared.identity.principal import ALL_UNITS, AllUnits, Principal, Role

COMMUNE_ROLES = frozenset({Role.WORKER, Role.CHAIR})


class DirectoryError(Exception):
    """The users file cannot be used. The message names the entry and the field, never a secret."""


def _argon2id(value: str) -> str:
    if not is_argon2id(value):
        raise ValueError("must be an argon2id hash, as `vongtay` and `hash_password` make it")
    return value


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,63}$")]
    name: Annotated[str, Field(min_length=1, max_length=120)]
    role: Role
    units: frozenset[UnitCode] | AllUnits = frozenset()
    sector: Sector | None = None
    org: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,63}$")] | None = None

    @model_validator(mode="after")
    def _role_fits(self) -> Self:
        if self.role in COMMUNE_ROLES and (self.units == ALL_UNITS or not self.units):
            raise ValueError(f"a {self.role.value} needs the codes of the communes it works for in `units`")
        if self.role is Role.SECTOR and self.sector is None:
            raise ValueError("a sector officer needs a `sector`")
        if self.role is Role.PARTNER and self.org is None:
            raise ValueError("a partner needs an `org`")
        if self.role is Role.AGENCY and self.sector is None:
            raise ValueError("an agency needs a `sector`")
        return self

    def principal(self, *, machine: bool) -> Principal:
        return Principal(self.id, self.name, self.role, self.units, self.sector, self.org, machine)


class _Person(_Entry):
    password: Annotated[str, AfterValidator(_argon2id)]


class _Machine(_Entry):
    token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    people: tuple[_Person, ...] = ()
    machines: tuple[_Machine, ...] = ()


@dataclass(slots=True)
class Directory:
    """Everybody who may enter. `demo` is true only for the made-up people of `demo_directory`.

    Whoever has it sees who may enter now: it takes over what its file says later (`shared.identity.following`), whole.
    `version` is another each time; `refused_at`: since when the file cannot be used, and the last good one holds.
    """

    people: Mapping[str, Principal] = field(default_factory=dict)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    tokens: Mapping[str, Principal] = field(default_factory=dict, repr=False)
    demo: bool = False
    version: int = 0
    refused_at: datetime | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """In: a JSON file with `people` and `machines`. Out: the directory. Errors: `DirectoryError`."""
        try:
            content = _File.model_validate_json(path.read_bytes())
        except OSError as error:
            raise DirectoryError(f"The users file {path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise DirectoryError(f"The users file {path} is not valid: {where}") from None
        _must_be_unique((entry.id for entry in (*content.people, *content.machines)), "id")
        _must_be_unique((machine.token_sha256 for machine in content.machines), "token_sha256")
        return cls(
            people={person.id: person.principal(machine=False) for person in content.people},
            passwords={person.id: person.password for person in content.people},
            tokens={machine.token_sha256: machine.principal(machine=True) for machine in content.machines},
        )

    def take_over(self, fresh: "Directory") -> bool:
        """From now on it has these people and machines. Out: whether any of it is new."""
        self.refused_at = None
        if (fresh.people, fresh.passwords, fresh.tokens) == (self.people, self.passwords, self.tokens):
            return False
        self.people, self.passwords, self.tokens = fresh.people, fresh.passwords, fresh.tokens
        self.version += 1
        return True

    def person(self, person_id: str) -> Principal | None:
        """Out: the person as the directory knows it now, None when it has left."""
        return self.people.get(person_id)

    def stamp(self, person_id: str) -> str | None:
        """Out: a mark that changes with the password, so that a new password ends the old sessions. None: nobody."""
        if person_id not in self.people:
            return None
        return "demo" if self.demo else hashlib.sha256(self.passwords[person_id].encode()).hexdigest()[:16]

    def by_token(self, token: str) -> Principal | None:
        """In: a bearer token in clear. Out: its machine. The look-up is by digest, so timing tells nothing."""
        return self.tokens.get(token_digest(token))


def _must_be_unique(values: Iterable[str], name: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise DirectoryError(f"The users file gives one {name} to two entries")
        seen.add(value)
