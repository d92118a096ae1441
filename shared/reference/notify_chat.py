"""How chats want their messages: address, headers, body and what their answers mean, as data with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from shared.reference.files import ReferenceDataError, kept, read_yaml

_FILE = "notify-chat.yaml"


@dataclass(frozen=True, slots=True)
class ChatShape:
    """One chat's way; what each word means is said in the data file."""

    code: str
    vi: str
    en: str
    legal_source_vi: str
    legal_source_en: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    code_at: Sequence[str]
    taken: Sequence[str]
    gone: Sequence[str]
    busy: Sequence[str]

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        if "{recipient}" not in str(self.body) or not ("{text}" in str(self.body) or "{title}" in str(self.body)):
            yield "the body must name the recipient and what is said"
        if not self.taken or not self.code_at:
            yield "it must be said which answers mean that it was taken"
        if {*self.taken} & {*self.gone, *self.busy} or {*self.gone} & {*self.busy}:
            yield "an answer means one thing"
        if not (self.vi and self.en and self.legal_source_vi and self.legal_source_en):
            yield "name and source are needed in both languages"


class ChatShapes:
    """All of them, by code. Raises `ReferenceDataError` where one makes no sense."""

    def __init__(self, shapes: Sequence[ChatShape]) -> None:
        self._shapes = {shape.code: shape for shape in shapes}
        for shape in shapes:
            for problem in shape.problems():
                raise ReferenceDataError(f"{_FILE}: {shape.code}: {problem}")
        if len(self._shapes) < len(shapes):
            raise ReferenceDataError(f"{_FILE}: a code stands twice")

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        try:
            return cls([ChatShape(**row) for row in read_yaml(_FILE)])
        except TypeError as error:
            raise ReferenceDataError(f"{_FILE}: {error}") from None

    def __getitem__(self, code: str) -> ChatShape:
        """One of them. Raises KeyError."""
        return self._shapes[code]

    def __contains__(self, code: object) -> bool:
        return code in self._shapes

    def __len__(self) -> int:
        return len(self._shapes)
