"""What may be attached to a case, by whom, and under which name: photographs, scans, recordings.

Pure. Name and caption are personal words; that there is a file, its type and its size are coarse facts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from unicodedata import category, normalize

from services.cases.domain import team
from services.cases.domain.model import OPEN_TASKS, Actor, Case, Decision, Entry, Task, refuse
from shared.contracts.errors import Rejected, refuse_unstorable
from shared.files.contents import Content, Media, look
from shared.privacy.sealing import PART

NAME_LENGTH = 200
CAPTION_LENGTH = 300
# Whoever speaks for a sector: its officers, the hotline, its own program.
SECTOR_ROLES = frozenset({"sector", "hotline", "agency"})
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,5})$")


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of a case, without its words. `task_id`: the task that it answers; None: it is the commune's own."""

    id: str
    case_id: str
    task_id: str | None
    media: str
    kind: str
    size: int
    added_at: datetime
    added_by: str
    added_by_name: str
    sector: str | None = None
    removed_at: datetime | None = None

    @property
    def parts(self) -> int:
        """How many parts it is sealed in."""
        return max(1, -(-self.size // PART))


def require_may_attach(case: Case, task: Task | None, actor: Actor) -> None:
    """Raises `Rejected` where the actor may attach nothing here now.

    The commune's worker and chair to their case (Decree 56/2017, Art. 29: whoever carries out, records); a sector's
    officer to a task of theirs that waits for an answer.
    """
    if case.status == "merged":
        raise refuse(
            "file",
            "case-merged",
            "Vụ việc đã nhập vào vụ việc khác; xin đính kèm ở vụ việc đó.",
            "The case was merged into another; please attach the file there.",
        )
    if team.by_role(case, actor):
        return
    if task is None or not speaks_for(actor, task, case):
        raise refuse(
            "file",
            "not-your-case",
            "Chỉ cán bộ, chủ tịch của xã, phường và ngành đang được đề nghị mới đính kèm được tệp.",
            "Only the commune's worker and chair, and the sector that is asked, may attach files.",
        )
    if task.state not in OPEN_TASKS:
        raise refuse(
            "file",
            "task-closed",
            "Nhiệm vụ không còn mở nên không đính kèm thêm được.",
            "The task is open no more: nothing can be attached to it.",
        )


def speaks_for(actor: Actor, task: Task, case: Case) -> bool:
    """Whether the actor speaks for the sector that was asked, where the case is led: its officer, or its program.

    Nobody does who was excluded from the case for a conflict of interest.
    """
    speaks = actor.role in SECTOR_ROLES and actor.sector == task.sector
    return speaks and actor.covers(case.judged.unit) and not team.kept_out(case, actor)


def require_may_remove(case: Case, attachment: Attachment, actor: Actor, reason: str) -> None:
    """Raises `Rejected` where it is gone already, is somebody else's, or no good reason is given.

    The leading commune's worker and chair remove what the case holds; who only reads it (asked to join, or broke the
    glass) removes nothing; a sector what it attached itself to its task.
    """
    if attachment.removed_at is not None:
        raise refuse("id", "document-removed", "Tệp này đã được gỡ.", "This file was removed already.")
    own = attachment.task_id is not None and actor.role in SECTOR_ROLES and attachment.added_by == actor.id
    if not own and not team.by_role(case, actor):
        raise refuse(
            "id",
            "not-your-document",
            "Chỉ cán bộ, chủ tịch của xã, phường chủ trì gỡ được tệp; ngành gỡ được tệp do chính mình đính kèm.",
            "Only the leading commune's worker and chair remove files, and a sector's officer a file of their own.",
        )
    refuse_unstorable(reason, "reason")
    if not reason.strip():
        raise refuse("reason", "reason-missing", "Nêu lý do gỡ tệp.", "Say why the file is removed.")
    _short_enough(reason, "reason", "Lý do", "The reason")


def check_count(count: int, at_most: int) -> None:
    """Raises `Rejected` where a case holds as many files as it may."""
    if count >= at_most:
        raise refuse(
            "file",
            "too-many",
            f"Vụ việc đã có {count} tệp, nhiều nhất là {at_most}. Xin gỡ tệp không còn cần.",
            f"The case holds {count} files, {at_most} at most. Please remove one that is needed no more.",
        )


def too_large(megabytes: int) -> Rejected:
    """The file is larger than a file may be."""
    return refuse(
        "file",
        "too-large",
        f"Tệp lớn hơn {megabytes} MB. Xin chụp ở chất lượng thấp hơn hoặc chia nhỏ.",
        f"The file is larger than {megabytes} MB. Please take it at a lower quality or divide it.",
    )


def check_content(content: Content) -> Media:
    """What a file is. Raises `Rejected` (empty, type-not-allowed, truncated, disguised)."""
    if content.size == 0:
        raise refuse("file", "empty", "Tệp rỗng, không có nội dung.", "The file is empty.")
    media, fault = look(content)
    if media is None or fault == "video":
        raise refuse(
            "file",
            "type-not-allowed",
            "Chỉ nhận ảnh (JPEG, PNG, WebP, HEIC), bản quét PDF và ghi âm (MP3, M4A, AAC, OGG, WAV); "
            "loại tệp được xét theo nội dung, không theo tên.",
            "Only photographs (JPEG, PNG, WebP, HEIC), scans (PDF) and recordings (MP3, M4A, AAC, OGG, WAV) are taken; "
            "what a file is, its content says, not its name.",
        )
    if fault == "truncated":
        raise refuse(
            "file",
            "truncated",
            "Tệp bị thiếu phần cuối hoặc đã hỏng. Xin gửi lại bản đầy đủ.",
            "The file is damaged or its end is missing. Please send the whole of it.",
        )
    if fault == "disguised":
        raise refuse(
            "file",
            "disguised",
            "Tệp chứa cả nội dung của một loại tệp khác (trang web hoặc tệp nén) nên không nhận.",
            "The file is something else as well (a web page or an archive) and is not taken.",
        )
    return media


def check_name(name: str, media: Media) -> str:
    """The file's name as it is kept: NFC, with an ending that fits. Raises `Rejected` (name-…, extension-mismatch)."""
    name = normalize("NFC", name).strip()
    if any(category(sign) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for sign in name) or set(name) & set('/\\<>:"|?*'):
        raise refuse(
            "file",
            "name-unsafe",
            "Tên tệp có ký tự không dùng được. Xin đổi tên rồi gửi lại.",
            "The file's name has characters that cannot be used. Please rename it and send it again.",
        )
    if len(name) > NAME_LENGTH:
        raise refuse(
            "file",
            "name-too-long",
            f"Tên tệp dài quá {NAME_LENGTH} ký tự.",
            f"The file's name is longer than {NAME_LENGTH} characters.",
        )
    name = name.lstrip(".")
    ending = _EXTENSION.search(name)
    if ending is None:
        return f"{name or 'tep'}.{media.extensions[0]}"
    if ending.group(1).lower() not in media.extensions:
        raise refuse(
            "file",
            "extension-mismatch",
            f"Tên tệp kết thúc bằng «.{ending.group(1)}» nhưng nội dung là {media.type}. Xin gửi đúng tệp gốc.",
            f"The file's name ends in «.{ending.group(1)}» but its content is {media.type}. Please send the original.",
        )
    return name


def check_caption(caption: str) -> str:
    """What was said about the file. Raises `Rejected` (caption-too-long, nul-character)."""
    refuse_unstorable(caption, "caption")
    caption = normalize("NFC", caption).strip()
    _short_enough(caption, "caption", "Chú thích", "The caption")
    return caption


def added(case: Case, attachment: Attachment, name: str, caption: str) -> Decision:
    """The timeline remembers that a file was attached. No event tells of it."""
    data: dict[str, object] = {
        "document_id": attachment.id,
        "media": attachment.media,
        "document_kind": attachment.kind,
        "size": attachment.size,
    }
    return _told(case, "document.added", attachment, data, {"name": name, "caption": caption})


def removed(case: Case, attachment: Attachment, name: str, reason: str) -> Decision:
    """The file is gone; that it was there, and why it is there no more, stays."""
    data: dict[str, object] = {"document_id": attachment.id, "document_kind": attachment.kind}
    return _told(case, "document.removed", attachment, data, {"name": name, "reason": reason.strip()})


def exported(case: Case, purpose: str) -> Decision:
    """A copy of the whole file left the house. Raises `Rejected` (purpose-missing, purpose-too-long, nul-character)."""
    refuse_unstorable(purpose, "purpose")
    if not purpose.strip():
        raise refuse(
            "purpose",
            "purpose-missing",
            "Nêu mục đích lấy bản sao: ai nhận, để làm gì.",
            "Say what the copy is for: who receives it, and why.",
        )
    _short_enough(purpose, "purpose", "Mục đích", "The purpose")
    return Decision(case, (), (Entry("case.exported", {}, {"purpose": purpose.strip()}),))


def _short_enough(text: str, field: str, vi: str, en: str) -> None:
    if len(text) > CAPTION_LENGTH:
        raise refuse(
            field,
            f"{field}-too-long",
            f"{vi} dài quá {CAPTION_LENGTH} ký tự.",
            f"{en} is longer than {CAPTION_LENGTH} characters.",
        )


def _told(case: Case, kind: str, attachment: Attachment, data: dict[str, object], words: dict[str, str]) -> Decision:
    if attachment.task_id is not None:
        data["task_id"] = attachment.task_id
    said = {name: text for name, text in words.items() if text}
    return Decision(case, (), (Entry(kind, data, said, sector=attachment.sector),))
