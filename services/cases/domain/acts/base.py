"""What all acts share: forbidden extras, and the kinds of text that people type."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.contracts.errors import Rejected, Violation

Words = Annotated[str, Field(min_length=1, max_length=20_000)]
MaybeWords = Annotated[
    Annotated[str, Field(max_length=20_000)] | None,
    BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value),
]
Code = Annotated[str, Field(min_length=1, max_length=60)]
EmptyIsNone = BeforeValidator(lambda value: value or None)


class ActBase(BaseModel):
    """Base of all acts."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


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
