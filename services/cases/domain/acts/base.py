"""What all acts share: forbidden extras, and the kinds of text that people type."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from services.cases.domain.model import ZONE
from shared.contracts.errors import NUL_CHARACTER, Rejected, Violation, refuse_unstorable
from shared.contracts.vocabulary import Moment

Words = Annotated[str, Field(min_length=1, max_length=20_000)]
MaybeWords = Annotated[
    Annotated[str, Field(max_length=20_000)] | None,
    BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value),
]
Code = Annotated[str, Field(min_length=1, max_length=60)]
EmptyIsNone = BeforeValidator(lambda value: value or None)


def _here(value: Any) -> Any:
    """A date and hour without a zone, as a browser's field gives it, is meant where people live."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value
    return moment.replace(tzinfo=ZONE) if isinstance(moment, datetime) and moment.tzinfo is None else value


HereMoment = Annotated[Moment, BeforeValidator(_here)]


class Typed(BaseModel):
    """What people type: no text of it holds U+0000, which no database keeps (`nul-character`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        try:
            refuse_unstorable(list(value) if isinstance(value, tuple) else value)
        except Rejected as rejected:
            raise PydanticCustomError(NUL_CHARACTER, "not storable") from rejected
        return value


class ActBase(Typed):
    """Base of all acts."""


class FormAct(ActBase):
    """An act that fills in a form of the law: what drives the case's course has attributes of its own.

    `answers`: the form's further fields by their code, a province's own among them; `form_of`: the edition that was
    begun, by the day it came into force; without it the one in force now.
    """

    answers: dict[str, Any] = Field(default_factory=dict)
    form_of: Annotated[date | None, EmptyIsNone] = None


def version_changed() -> Rejected:
    """Somebody else decided in the meantime: the second sees both and chooses."""
    return Rejected(
        [
            Violation(
                "version",
                "version-changed",
                "Hồ sơ đã thay đổi từ khi anh chị mở trang. Xin xem nội dung mới rồi gửi lại.",
                "The file changed after you opened the page. Please look at what is new, then send again.",
            )
        ]
    )
