"""A child's photograph: checked by its bytes, sealed under the child's key, opened for whoever may see the child."""

from __future__ import annotations

from datetime import date

from services.registry.store import children as store
from services.registry.store import photos
from services.registry.store.children import ChildRow
from services.registry.store.photos import Photo
from shared.contracts.errors import Rejected, refuse
from shared.files.contents import JPEG, PNG, WEBP, Content, Media, look
from shared.messaging.router import Scope
from shared.privacy import Erased, Keys, Unreadable

MEGABYTES = 5
# What every browser shows; others would have to be decoded, and nothing is decoded here.
_TAKEN = frozenset({JPEG, PNG, WEBP})
_STREAM = "photo"


class Photos:
    """The registry's album.

    Args:
        keys: of the children.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def add(self, scope: Scope, row: ChildRow, content: Content, taken_on: date | None, actor: str) -> None:
        """Keep a photograph in place of the one before. Raises `Rejected`, `Erased`."""
        media = check(content)
        key = await self._keys.key_for(scope.connection, f"child/{row.id}", create=True)
        sealed = key.seal_part(_STREAM, 0, content.read(0, content.size), last=True)
        photo = Photo(row.id, media.type, content.size, sealed, taken_on, scope.now, actor)
        await photos.put(scope.connection, photo)
        await store.add_history(scope.connection, row.id, scope.now, "photo-added", actor)

    async def open(self, scope: Scope, child_id: str) -> tuple[Photo, bytes] | None:
        """The photograph and its bytes; None where there is none (any more)."""
        photo = await photos.find(scope.connection, child_id)
        if photo is None:
            return None
        try:
            key = await self._keys.key_for(scope.connection, f"child/{photo.child_id}")
            return photo, key.open_part(_STREAM, 0, photo.sealed, last=True)
        except (Erased, Unreadable):
            return None

    async def drop(self, scope: Scope, row: ChildRow, actor: str) -> None:
        """Take the photograph away."""
        await photos.drop(scope.connection, row.id)
        await store.add_history(scope.connection, row.id, scope.now, "photo-dropped", actor)


def check(content: Content) -> Media:
    """What a photograph is, by its bytes. Raises `Rejected`."""
    if content.size == 0:
        raise _refused("photo-empty", "Hãy chọn một tệp ảnh.", "Choose a picture file.")
    media, fault = look(content)
    if media not in _TAKEN:
        raise _refused(
            "photo-type",
            "Chỉ nhận ảnh JPEG, PNG hoặc WebP; loại tệp được xét theo nội dung, không theo tên.",
            "Only JPEG, PNG or WebP pictures are taken; what a file is, its content says, not its name.",
        )
    if fault is not None:
        raise _refused(
            "photo-damaged",
            "Tệp ảnh hỏng, thiếu phần cuối hoặc lẫn nội dung khác. Xin gửi lại ảnh gốc.",
            "The picture is damaged, cut short or something else as well. Please send the original.",
        )
    return media


def too_large() -> Rejected:
    """What is said of a picture that is larger than one may be."""
    return _refused(
        "photo-large",
        f"Ảnh lớn hơn {MEGABYTES} MB. Xin chụp ở chất lượng thấp hơn.",
        f"The picture is larger than {MEGABYTES} MB. Please take it at a lower quality.",
    )


def _refused(rule: str, vi: str, en: str) -> Rejected:
    return refuse("file", rule, vi, en)
