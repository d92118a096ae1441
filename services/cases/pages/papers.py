"""What pages list of a case's papers and files: the newest few on the case's own page, the others a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Request

from services.cases import store
from services.cases.documents import FORM_KINDS, KIND_OF, form_code
from services.cases.domain.attachments import require_may_attach
from services.cases.domain.model import Actor, Case, Task
from services.cases.downloads import may_be_shown
from services.cases.pages.room import Room, page_of
from services.cases.reading import may_read_identity
from services.cases.store import AttachmentFile, ConcernFile, Line
from shared.contracts.errors import Rejected
from shared.messaging.router import Scope
from shared.reference.forms import Form, Forms
from shared.web.i18n import format_number
from shared.web.pages import language_of

# How many reports and files the case's own page lists.
FEW: Final = 5
PAGE: Final = 40
# A report as a paper: no line of the timeline is one.
REPORT: Final = "01"


@dataclass(frozen=True, slots=True)
class Paper:
    """A form filled in. `version`: which of its form in the case; `earlier`: how many before it are not listed."""

    line: Line
    form: Form
    version: int
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file in a list, in the reader's language. No name: it was erased, or is not for the reader."""

    id: str
    name: str
    caption: str
    kind: str
    media: str
    size: str
    at: datetime
    who: str
    sector: str | None
    shows: bool


@dataclass(frozen=True, slots=True)
class Documents:
    """What a page lists of papers and files.

    `address`: of the files. `chosen`: the form all of whose papers are asked for; empty: the newest of each.
    `reports`: those that are printed as form 01, of `reports_in_all`. `files`: of `files_in_all`.
    `page`: which part of the list that is paged, of `pages`.
    """

    address: str
    reads: bool
    attaches: bool
    megabytes: int
    papers: Sequence[Paper] = ()
    reports: Sequence[ConcernFile] = ()
    reports_in_all: int = 0
    files: Sequence[ShownFile] = ()
    files_in_all: int = 0
    chosen: str = ""
    page: int = 1
    pages: int = 1

    def at(self, page: int) -> str | None:
        """The address of another part of the list; None where there is none."""
        if not 1 <= page <= self.pages:
            return None
        return f"{self.address}?{f'form={self.chosen}&' if self.chosen else ''}page={page}"


async def few_documents(room: Room, request: Request, scope: Scope, case: Case, actor: Actor) -> Documents:
    """What a case's page says of its papers and files; names and captions only to who reads identity."""
    return await _newest(room, request, scope, case, actor, FEW, 1)


async def all_documents(room: Room, request: Request, scope: Scope, case: Case, actor: Actor) -> Documents:
    """As the address asks: the newest of each form and a page of the files, or a page of one form's papers."""
    page = page_of(request)
    chosen = request.query_params.get("form", "")
    connection, place = scope.connection, {"limit": PAGE, "offset": (page - 1) * PAGE}
    papers: list[Paper] = []
    reports: list[ConcernFile] = []
    if chosen == REPORT:
        reports, total = await store.newest_concerns(connection, case.id, **place)
    elif chosen in KIND_OF and chosen in Forms.load().codes():
        lines, total = await store.lines_of_kind(connection, case.id, KIND_OF[chosen], **place)
        form = Forms.load().form(chosen)
        papers = [Paper(line, form, total - place["offset"] - number) for number, line in enumerate(lines)]
    else:
        return await _newest(room, request, scope, case, actor, PAGE, page)
    return Documents(
        address=_address(case),
        reads=may_read_identity(actor, case, scope.now),
        attaches=False,
        megabytes=0,
        papers=papers,
        reports=reports,
        reports_in_all=len(reports),
        chosen=chosen,
        page=page,
        pages=_pages(total),
    )


async def documents_of_task(
    room: Room,
    request: Request,
    scope: Scope,
    case: Case,
    task: Task,
    actor: Actor,
    files: Sequence[AttachmentFile],
    *,
    reads: bool,
) -> Documents:
    """A task's files, opened. In: `reads`: whether the actor opens them; `files`: none where not."""
    return Documents(
        address=f"/cases/tasks/{task.id}/documents",
        reads=reads,
        attaches=_attaches(case, task, actor),
        megabytes=room.office.desk.attachments.limits.attachment_megabytes,
        files=[await _shown(room, request, scope, file, opened=True) for file in files],
        files_in_all=len(files),
    )


async def _newest(
    room: Room, request: Request, scope: Scope, case: Case, actor: Actor, at_most: int, page: int
) -> Documents:
    """The newest paper of each form, the newest reports, and files from a place on."""
    connection, forms = scope.connection, Forms.load()
    reads = may_read_identity(actor, case, scope.now)
    newest = await store.newest_of(connection, case.id, FORM_KINDS)
    reports, reports_in_all = await store.newest_concerns(connection, case.id, limit=FEW)
    offset = (page - 1) * at_most
    files, files_in_all = await store.newest_attachments(connection, case.id, limit=at_most, offset=offset)
    return Documents(
        address=_address(case),
        reads=reads,
        attaches=_attaches(case, None, actor),
        megabytes=room.office.desk.attachments.limits.attachment_megabytes,
        papers=[
            Paper(line, forms.form(code), count, count - 1)
            for line, count in newest
            if (code := form_code(line)) is not None and code in forms.codes()
        ],
        reports=reports,
        reports_in_all=reports_in_all,
        files=[await _shown(room, request, scope, file, opened=reads) for file in files],
        files_in_all=files_in_all,
        page=page,
        pages=_pages(files_in_all),
    )


async def _shown(room: Room, request: Request, scope: Scope, file: AttachmentFile, *, opened: bool) -> ShownFile:
    attachment, language = file.attachment, language_of(request)
    name, caption = await room.office.desk.attachments.words(scope, file) if opened else ("", "")
    small = attachment.size < 1 << 20
    amount = max(1, round(attachment.size / 1024)) if small else round(attachment.size / (1 << 20), 1)
    return ShownFile(
        id=attachment.id,
        name=name,
        caption=caption,
        kind=attachment.kind,
        media=attachment.media,
        size=f"{format_number(language, amount)} {'kB' if small else 'MB'}",
        at=attachment.added_at,
        who=attachment.added_by_name,
        sector=attachment.sector,
        shows=may_be_shown(attachment.media),
    )


def _attaches(case: Case, task: Task | None, actor: Actor) -> bool:
    try:
        require_may_attach(case, task, actor)
    except Rejected:
        return False
    return True


def _address(case: Case) -> str:
    return f"/cases/c/{case.id}/documents"


def _pages(total: int) -> int:
    return max(1, -(-total // PAGE))
