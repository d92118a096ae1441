"""The copy of a case's whole file: a ZIP made as it is sent, with the case on paper, its forms, its files, its data.

It is opened in the reader's name and bears it on every page. What cannot be opened is named, never left out in silence.
"""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from pydantic_core import to_jsonable_python

from services.cases import store
from services.cases.documents import Document
from services.cases.domain.model import Actor, Case
from services.cases.downloads import parts_of
from services.cases.office import Office
from services.cases.printing import Printing, forms_of
from services.cases.store import AttachmentFile, Line
from shared.messaging.router import Scope
from shared.privacy import Erased, Unreadable
from shared.reference.calendar import LOCAL

# Most systems take 255 bytes in a name, and a Vietnamese letter has up to three.
_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class Papers:
    """A case gathered for its copy: everything but the bytes of its files, which are read as they are sent."""

    case: Case
    at: datetime
    sheet: Document
    forms: Sequence[tuple[str, Document]]
    files: Sequence[tuple[AttachmentFile, str, str]]
    data: Mapping[str, Any]


async def gather(scope: Scope, office: Office, printing: Printing, case: Case, actor: Actor, purpose: str) -> Papers:
    """Open everything. Whoever calls has decided that the actor may, and remembered it."""
    when = scope.now.astimezone(LOCAL).strftime("%H:%M ngày %d/%m/%Y")
    watermark = f"Bản sao cấp cho {actor.name or actor.id}, {when}, mục đích: {purpose}"
    heading = printing.heading(scope, case.unit, case.code, actor, watermark)
    lines = await store.timeline(scope.connection, case.id)
    child = await printing.child(scope, case)
    forms: list[tuple[str, Document]] = []
    for file in await store.concerns_of(scope.connection, case.id):
        reading = replace(await office.desk.files.reader.report(scope.connection, file), reporter=None)
        forms.append((f"mau-01-{file.concern.code}", printing.concern(file, reading, heading)))
    for line, form, version in reversed(forms_of(lines)):
        document = await printing.form(scope, line, heading, child)
        if document is not None:
            name = f"mau-{form.code}" if form.code.isdecimal() else form.code
            forms.append((f"{name}-ban-{version}", document))
    files = [
        (file, *await office.desk.attachments.words(scope, file))
        for file in await store.attachments_of(scope.connection, case.id)
    ]
    return Papers(
        case=case,
        at=scope.now,
        sheet=await printing.sheet(scope, case, lines, heading),
        forms=forms,
        files=files,
        data=await _data(scope, office, case, lines, files, {"who": actor.id, "name": actor.name, "purpose": purpose}),
    )


async def archive(office: Office, printing: Printing, papers: Papers, sheet: bytes) -> AsyncIterator[bytes]:
    """The ZIP, piece by piece. In: `sheet`: the case's own, made before anything is sent."""
    out = _Passing()
    folder, moment = papers.case.code, papers.at.astimezone(LOCAL).timetuple()[:6]
    unopened: list[str] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as whole:

        def entry(name: str, *, packed: bool = True) -> zipfile.ZipInfo:
            info = zipfile.ZipInfo(f"{folder}/{name}", moment)
            info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            info.external_attr = 0o600 << 16
            return info

        whole.writestr(entry("case.pdf"), sheet)
        whole.writestr(entry("case.json"), _json(papers.data))
        yield out.take()
        for name, document in papers.forms:
            whole.writestr(entry(f"bieu-mau/{name}.pdf"), await printing.pdf([document]))
            yield out.take()
        for number, (file, name, _) in enumerate(papers.files, 1):
            try:
                async with office.scope() as scope:
                    key = await office.desk.attachments.key(scope, file)
                async for _part in parts_of(office, file, key):
                    pass  # all of it must open before any of it is part of a copy
                with whole.open(entry(f"tep-dinh-kem/{number:03}-{_short(name)}", packed=False), "w") as target:
                    async for part in parts_of(office, file, key):
                        target.write(part)
                        yield out.take()
            except Erased:
                unopened.append(f"{number:03}: đã xóa theo yêu cầu")
            except Unreadable:
                unopened.append(f"{number:03} {name}: tệp trong kho đã hỏng hoặc bị sửa, không mở được")
        if unopened:
            whole.writestr(entry("tep-dinh-kem/khong-mo-duoc.txt"), "\n".join(unopened) + "\n")
    yield out.take()


class _Passing:
    """What a ZIP is written into: passed on, never gone back to."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def write(self, data: bytes, /) -> int:
        self._kept += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing to close."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._kept = bytes(self._kept), bytearray()
        return taken


def _short(name: str) -> str:
    """A file's name that every system can unpack, its ending kept; the whole name stands in `case.json`."""
    stem, dot, ending = name.rpartition(".")
    if len(name.encode()) <= _NAME_BYTES:
        return name
    return stem.encode()[: _NAME_BYTES - len(ending) - 1].decode(errors="ignore") + dot + ending


def _json(data: Mapping[str, Any]) -> bytes:
    """In: what the copy says. Out: the same for programs; spans of time as ISO 8601 has them."""
    return orjson.dumps(data, option=orjson.OPT_INDENT_2, default=to_jsonable_python)


async def _data(
    scope: Scope,
    office: Office,
    case: Case,
    lines: Sequence[Line],
    files: Sequence[tuple[AttachmentFile, str, str]],
    copied: Mapping[str, str],
) -> dict[str, Any]:
    reader = office.desk.files.reader
    reports = []
    for file in await store.concerns_of(scope.connection, case.id):
        reading = await reader.report(scope.connection, file)
        reports.append(
            {
                "code": file.concern.code,
                "facts": file.concern.facts().model_dump(mode="json"),
                "kinds": file.kinds,
                "child": reading.child.model_dump(mode="json") if reading.child else None,
                "what_happened": reading.what_happened,
                "place": reading.unit_text,
                "measures_taken": reading.measures_taken,
                "details": reading.details.model_dump(mode="json") if reading.details else None,
                "erased": reading.erased,
            }
        )
    return {
        "code": case.code,
        "id": case.id,
        "copied": {**copied, "at": scope.now},
        "facts": case.facts().model_dump(mode="json"),
        "verified": case.verified,
        "emergency": case.emergency,
        "outcome": case.outcome,
        "deadlines": [asdict(clock) for clock in case.clocks],
        "tasks": [asdict(task) for task in case.tasks],
        "services": [asdict(service) for service in case.services],
        "team": [asdict(member) for member in case.team],
        "conferences": [asdict(conference) for conference in case.conferences],
        "alternative_care": {"kind": case.care, "handed_over": case.care_placed} if case.care else None,
        "offered_to": case.handover_to,
        "reports": reports,
        "timeline": [
            {
                "id": line.id,
                "at": line.at,
                "kind": line.kind,
                "sector": line.sector,
                "who": line.who,
                "who_name": line.who_name,
                "data": line.data,
                "words": await reader.words(scope.connection, line),
            }
            for line in reversed(lines)
        ],
        "documents": [
            {**asdict(file.attachment), "name": name, "caption": caption, "number": number}
            for number, (file, name, caption) in enumerate(files, 1)
        ],
    }
