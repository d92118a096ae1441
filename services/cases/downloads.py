"""What people take with them, as HTTP: files part by part, papers, and the headers that keep both harmless.

Nothing here may be kept by a cache, guessed at by a browser, or run in our name.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from services.cases.office import Office
from services.cases.store import AttachmentFile
from shared.privacy import DataKey
from shared.privacy.sealing import PART
from shared.web.downloads import headers_for

_SHOWN = frozenset({"image/jpeg", "image/png", "image/webp"})
_RANGE = re.compile(r"^bytes=(\d{1,15})?-(\d{1,15})?$")


def paper_answer(body: bytes, name: str, media: str) -> Response:
    """A paper to be saved. `name` has no identity in it."""
    return Response(body, headers=headers_for(name, name), media_type=media)


def may_be_shown(media: str) -> bool:
    """Whether browsers show it as a picture."""
    return media in _SHOWN


async def file_answer(request: Request, office: Office, file: AttachmentFile, name: str, plain: str) -> Response:
    """A file, or the range of it that was asked for (players do). All of it is checked before the first byte leaves.

    Raises: `Erased`, `Unreadable`.
    """
    attachment = file.attachment
    desk = office.desk.attachments
    async with office.scope() as scope:
        key = await desk.key(scope, file)
    asked = _range(request.headers.get("range"), attachment.size)
    first, last = asked or (0, attachment.size - 1)
    for number in range(first // PART, last // PART + 1):
        await _part(office, file, key, number)
    inline = request.query_params.get("show") == "1" and may_be_shown(attachment.media)
    headers = headers_for(name, plain, inline=inline) | {
        "Accept-Ranges": "bytes",
        "Content-Length": str(last - first + 1),
    }
    if asked:
        headers["Content-Range"] = f"bytes {first}-{last}/{attachment.size}"
    body = parts_of(office, file, key, first, last)
    return StreamingResponse(body, 206 if asked else 200, headers, attachment.media)


async def parts_of(
    office: Office, file: AttachmentFile, key: DataKey, first: int = 0, last: int | None = None
) -> AsyncIterator[bytes]:
    """The bytes of a file from `first` to `last`; no connection is held while a slow line takes them."""
    end = file.attachment.size - 1 if last is None else last
    for number in range(first // PART, end // PART + 1):
        plain = await _part(office, file, key, number)
        yield plain[max(0, first - number * PART) : end + 1 - number * PART]


async def _part(office: Office, file: AttachmentFile, key: DataKey, number: int) -> bytes:
    async with office.scope() as scope:
        return await office.desk.attachments.part(scope, file, key, number)


def _range(asked: str | None, size: int) -> tuple[int, int] | None:
    """One range of bytes (RFC 9110, 14.2); None where none that can be given was asked for: then all of it is sent."""
    found = _RANGE.match(asked or "")
    if found is None or not any(found.groups()):
        return None
    start, end = found.groups()
    if start is None:
        return (max(0, size - int(end)), size - 1) if int(end) else None
    last = min(int(end), size - 1) if end else size - 1
    return (int(start), last) if int(start) <= last else None
