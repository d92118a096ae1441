"""What pages say, as msgids by code: titles of the timeline, names of acts, states, grounds. Tables and nothing else.

Each text has its English in the catalogue; what a code means is the domain's and the reference data's.
"""

from __future__ import annotations

from collections.abc import Mapping

# msgids: kind of entry -> what happened, tone of its mark.
TITLES: Mapping[str, tuple[str, str]] = {
    "case.opened": ("Mở vụ việc", "brand"),
    "report.corrected": ("Bên báo tin sửa nội dung", "info"),
    "siblings.linked": ("Vụ việc của trẻ khác trong cùng báo tin", "info"),
    "report.linked": ("Thêm một báo tin về cùng vụ việc", "info"),
    "child.described": ("Tra cứu trẻ trong sổ", "plain"),
    "child.candidates": ("Có trẻ giống mô tả, chờ người chọn", "warning"),
    "child.none-of-these": ("Không phải trẻ nào được gợi ý; đề nghị lập hồ sơ mới", "info"),
    "child.not-found": ("Chưa đủ thông tin để xác định trẻ", "warning"),
    "child.linked": ("Đã xác định trẻ", "success"),
    "child.parted": ("Hồ sơ của trẻ được tách làm hai trẻ: kiểm tra vụ việc gắn với đúng trẻ", "warning"),
    "child.unlinked": ("Gỡ trẻ gắn nhầm", "warning"),
    "sibling.linked": ("Liên kết vụ việc của anh chị em", "info"),
    "sibling.unlinked": ("Bỏ liên kết anh chị em", "plain"),
    "facts.verified": ("Đã xác minh", "info"),
    "risk.initial": ("Đánh giá nguy cơ ban đầu (Mẫu 02)", "info"),
    "risk.detailed": ("Đánh giá nguy cơ cụ thể (Mẫu 03)", "info"),
    "emergency.decided": ("Quyết định biện pháp bảo vệ khẩn cấp (Mẫu 07)", "danger"),
    "separation.extended": ("Gia hạn tạm thời cách ly", "warning"),
    "separation.ended": ("Kết thúc tạm thời cách ly", "success"),
    "ban.requested": ("Đề nghị cấm tiếp xúc", "warning"),
    "ban.granted": ("Quyết định cấm tiếp xúc", "danger"),
    "ban.refused": ("Không ra quyết định cấm tiếp xúc", "plain"),
    "ban.ended": ("Chấm dứt cấm tiếp xúc trước hạn", "info"),
    "care.decided": ("Quyết định chăm sóc thay thế", "info"),
    "care.handed-over": ("Bàn giao trẻ cho bên nhận chăm sóc", "success"),
    "care.ended": ("Chấm dứt chăm sóc thay thế (Mẫu 16)", "warning"),
    "care.moved": ("Chăm sóc thay thế tiếp tục trong vụ việc kia", "plain"),
    "handover.offered": ("Đề nghị bàn giao vụ việc", "info"),
    "handover.accepted": ("Tiếp nhận bàn giao", "success"),
    "handover.declined": ("Không tiếp nhận bàn giao", "warning"),
    "handover.withdrawn": ("Rút đề nghị bàn giao", "plain"),
    "plan.drafted": ("Trình kế hoạch hỗ trợ, can thiệp (Mẫu 04)", "info"),
    "plan.approved": ("Phê duyệt kế hoạch (Mẫu 05)", "success"),
    "plan.returned": ("Trả lại kế hoạch", "warning"),
    "task.requested": ("Đề nghị ngành phối hợp", "info"),
    "task.accepted": ("Ngành nhận nhiệm vụ", "success"),
    "task.declined": ("Ngành từ chối nhiệm vụ", "warning"),
    "task.done": ("Ngành hoàn thành nhiệm vụ", "success"),
    "task.new-date": ("Ngành đề xuất thời hạn mới", "warning"),
    "task.seen": ("Ngành đã xem đề nghị", "plain"),
    "task.question": ("Ngành hỏi xã, phường", "warning"),
    "task.replied": ("Xã, phường trả lời câu hỏi", "info"),
    "task.date-agreed": ("Xã, phường đồng ý thời hạn mới", "success"),
    "task.date-refused": ("Xã, phường giữ thời hạn cũ", "warning"),
    "task.reminded": ("Xã, phường nhắc việc", "info"),
    "task.asked-another": ("Đề nghị lại sau khi ngành từ chối", "info"),
    "task.without": ("Ngành từ chối; xã, phường không cần nữa", "plain"),
    "conference.called": ("Mời họp các ngành về vụ việc", "info"),
    "conference.held": ("Đã họp các ngành về vụ việc", "success"),
    "conference.cancelled": ("Hủy cuộc họp các ngành", "plain"),
    "task.overdue": ("Nhiệm vụ quá hạn", "danger"),
    "task.cancelled": ("Hủy đề nghị phối hợp", "plain"),
    "review.held": ("Rà soát kế hoạch (Mẫu 06)", "info"),
    "case.reclassified": ("Phân loại lại", "info"),
    "case.transferred": ("Chuyển xã, phường chủ trì", "info"),
    "case.merged": ("Nhập vào vụ việc khác", "plain"),
    "case.took-over": ("Nhận một vụ việc nhập vào", "info"),
    "case.unmerged": ("Tách khỏi vụ việc đã nhập vào", "warning"),
    "case.gave-back": ("Tách một vụ việc đã nhập", "warning"),
    "meeting.cancelled": ("Cuộc họp không còn cần", "plain"),
    "case.closed": ("Kết thúc vụ việc", "success"),
    "case.reopened": ("Mở lại vụ việc", "brand"),
    "deadline.started": ("Bắt đầu tính thời hạn", "plain"),
    "deadline.nearing": ("Thời hạn sắp hết", "warning"),
    "deadline.missed": ("Đã quá thời hạn", "danger"),
    "deadline.met": ("Xong đúng thời hạn", "success"),
    "deadline.met-late": ("Xong sau thời hạn", "warning"),
    "deadline.cancelled": ("Thời hạn không còn áp dụng", "plain"),
    "deadline.lapsed": ("Thời hạn đã quá không còn áp dụng", "warning"),
    "deadline.paused": ("Tạm dừng tính thời hạn", "warning"),
    "deadline.moved": ("Thời hạn tính lại theo thời điểm tiếp nhận", "warning"),
    "deadline.resumed": ("Tiếp tục tính thời hạn", "info"),
    "meeting.needs": ("Họp xác định nhu cầu của trẻ", "info"),
    "service.provided": ("Đã thực hiện dịch vụ", "success"),
    "service.withdrawn": ("Sửa lại: dịch vụ chưa được thực hiện", "warning"),
    "receipt.corrected": ("Sửa thời điểm tiếp nhận", "warning"),
    "note": ("Ghi chú", "plain"),
    "case.assigned": ("Người phụ trách vụ việc", "info"),
    "team.requested": ("Đề nghị tham gia nhóm vụ việc", "warning"),
    "team.joined": ("Tham gia nhóm vụ việc", "info"),
    "team.left": ("Thôi tham gia nhóm vụ việc", "plain"),
    "access.broken-glass": ("Mở khẩn cấp danh tính của trẻ", "danger"),
    "access.closed": ("Đóng danh tính đã mở khẩn cấp", "plain"),
    "access.reviewed": ("Chủ tịch xem xét lần mở khẩn cấp", "info"),
    "document.added": ("Đính kèm tệp", "info"),
    "document.removed": ("Gỡ tệp đính kèm", "warning"),
    "called.raised": ("Gọi người có trách nhiệm về tin khẩn", "warning"),
    "called.acknowledged": ("Đã có người nhận tin khẩn", "success"),
    "called.settled": ("Thôi gọi về tin khẩn: đã có người xử lý", "plain"),
    "called.exhausted": ("Đã gọi hết các cấp về tin khẩn, chưa ai nhận", "danger"),
    "case.exported": ("Sao toàn bộ hồ sơ", "warning"),
}
# Words of acts that fill in no form; a form's own labels say what its answers are.
WORDS: Mapping[str, str] = {
    "findings": "Kết quả",
    "remarks": "Ghi chú",
    "reason": "Lý do",
    "summary": "Kết quả thực hiện",
    "provider": "Đơn vị thực hiện",
    "notes": "Ghi chú",
    "instructions": "Nội dung đề nghị",
    "text": "Nội dung",
    "member": "Thành viên",
    "worker": "Người phụ trách",
    "against": "Người bị đề nghị cấm tiếp xúc",
    "carer": "Bên nhận chăm sóc",
    "grounds": "Căn cứ",
    "asked_by": "Người đề nghị",
    "returns_to": "Sau đó trẻ sống với",
    "question": "Câu hỏi",
    "reply": "Trả lời",
    "place": "Địa điểm",
    "purpose": "Mục đích",
    "people": "Thành phần",
    "minutes": "Biên bản",
    "name": "Tên tệp",
    "caption": "Chú thích",
    "number": "Số quyết định",
}
DOCUMENT_KINDS: Mapping[str, str] = {"photo": "Ảnh", "scan": "Bản quét", "audio": "Ghi âm"}
SEXES: Mapping[str, str] = {"male": "Nam", "female": "Nữ", "unknown": "Chưa rõ"}
NAMED_NO_MORE = "Báo tin đã sửa không còn nhắc đến trẻ này"
# How well an earlier report fits: what it is called, tone of its mark.
FITS: Mapping[str, tuple[str, str]] = {
    "sure": ("Chắc chắn cùng một trẻ", "danger"),
    "likely": ("Rất có thể cùng một trẻ", "warning"),
    "possible": ("Có thể cùng một trẻ", "info"),
}
OTHERS: Mapping[str, str] = {
    "open": "Mở vụ việc riêng cho từng trẻ",
    "known": "Đã có vụ việc cả rồi",
}
CASE_STATES: Mapping[str, tuple[str, str]] = {
    "open": ("Vụ việc đang mở", "brand"),
    "closed": ("Vụ việc đã kết thúc", "success"),
    "merged": ("Đã nhập vụ khác", "plain"),
}
KIND_GROUPS: Mapping[str, str] = {
    "abuse": "Xâm hại, gây tổn hại",
    "injury": "Tai nạn, thương tích",
    "difficulty": "Hoàn cảnh khó khăn, đặc biệt",
    "development": "Sức khỏe tâm thần, phát triển",
}
DANGER: Mapping[str, str] = {"yes": "Có", "no": "Không", "unknown": "Chưa rõ"}
CONFIRMED: Mapping[str, str] = {"True": "Đúng có sự việc", "False": "Không có sự việc"}
GIVEN: Mapping[str, str] = {"given": "Đã thực hiện ngày", "awaited": "Chưa thực hiện"}
TASK_STATES: Mapping[str, tuple[str, str]] = {
    "requested": ("Chờ trả lời", "info"),
    "accepted": ("Đã nhận", "brand"),
    "declined": ("Từ chối", "warning"),
    "done": ("Đã xong", "success"),
    "overdue": ("Quá hạn", "danger"),
    "cancelled": ("Đã hủy", "plain"),
}
TASK_CAUSES: Mapping[str, str] = {
    "withdrawn": "Xã, phường rút đề nghị",
    "reassigned": "Đã thay bằng đề nghị khác",
    "case-closed": "Vụ việc đã kết thúc",
    "case-merged": "Vụ việc đã nhập vào vụ việc khác",
}
# What a sector may answer: msgids of the choices, in the order of the form.
TASK_ANSWERS: Mapping[str, str] = {
    "accepted": "Nhận việc, đúng thời hạn",
    "question": "Hỏi xã, phường trước khi làm",
    "new-date": "Đề xuất thời hạn khác",
    "done": "Đã làm xong",
    "declined": "Từ chối",
}
# Who has to do something now.
AWAITED: Mapping[str, tuple[str, str]] = {
    "sector": ("Chờ ngành", "info"),
    "commune": ("Chờ xã, phường", "warning"),
    "nobody": ("Không chờ ai", "plain"),
}
CONCERN_STATES: Mapping[str, tuple[str, str]] = {
    "received": ("Chờ xử lý", "warning"),
    "opened": ("Đã mở vụ việc", "success"),
    "linked": ("Đã gắn vào vụ việc", "success"),
    "answered": ("Đã trả lời", "success"),
    "dismissed": ("Không mở vụ việc", "plain"),
}
# Filters of the timeline.
CHAPTERS: Mapping[str, str] = {
    "acts": "Việc đã làm",
    "tasks": "Các ngành",
    "deadlines": "Thời hạn",
    "documents": "Tài liệu",
    "notes": "Ghi chú",
}
ACTS: Mapping[str, str] = {
    "verify": "Ghi kết quả xác minh",
    "assess-initial": "Đánh giá ban đầu (Mẫu 02)",
    "decide-emergency": "Quyết định khẩn cấp (Mẫu 07)",
    "extend-separation": "Gia hạn tạm thời cách ly",
    "end-separation": "Kết thúc tạm thời cách ly",
    "assess-detailed": "Đánh giá cụ thể (Mẫu 03)",
    "draft-plan": "Trình kế hoạch (Mẫu 04)",
    "approve-plan": "Phê duyệt kế hoạch (Mẫu 05)",
    "return-plan": "Trả lại kế hoạch",
    "request-task": "Đề nghị ngành phối hợp",
    "cancel-task": "Hủy đề nghị phối hợp",
    "reply-task": "Trả lời câu hỏi của ngành",
    "agree-date": "Đồng ý thời hạn ngành đề xuất",
    "refuse-date": "Giữ thời hạn cũ",
    "remind-task": "Nhắc ngành",
    "reassign-task": "Đề nghị ngành khác hoặc ngày khác",
    "do-without": "Không cần việc này nữa",
    "call-conference": "Mời họp các ngành",
    "hold-conference": "Ghi biên bản cuộc họp các ngành",
    "cancel-conference": "Hủy cuộc họp các ngành",
    "hold-needs-meeting": "Biên bản họp xác định nhu cầu",
    "record-service": "Ghi dịch vụ đã thực hiện",
    "hold-review": "Rà soát (Mẫu 06)",
    "request-contact-ban": "Đề nghị cấm tiếp xúc",
    "decide-contact-ban": "Quyết định về cấm tiếp xúc",
    "end-contact-ban": "Chấm dứt cấm tiếp xúc",
    "decide-alternative-care": "Quyết định chăm sóc thay thế",
    "hand-over-child": "Ghi việc bàn giao trẻ",
    "end-alternative-care": "Chấm dứt chăm sóc thay thế (Mẫu 16)",
    "close": "Kết thúc vụ việc",
    "reopen": "Mở lại vụ việc",
    "reclassify": "Phân loại lại",
    "transfer": "Chuyển xã, phường khác",
    "offer-handover": "Đề nghị bàn giao cho xã, phường nơi trẻ sống",
    "accept-handover": "Tiếp nhận vụ việc",
    "decline-handover": "Không tiếp nhận",
    "withdraw-handover": "Rút đề nghị bàn giao",
    "merge": "Nhập vào vụ việc khác",
    "undo-merge": "Tách lại vụ việc đã nhập",
    "link-sibling": "Liên kết vụ việc của anh chị em",
    "unlink-sibling": "Bỏ liên kết anh chị em",
    "choose-child": "Chọn trẻ",
    "correct-child": "Sửa trẻ gắn nhầm",
    "pause-deadline": "Tạm dừng thời hạn",
    "resume-deadline": "Tiếp tục tính thời hạn",
    "note": "Thêm ghi chú",
    "open": "Mở vụ việc",
    "link": "Gắn vào vụ việc đang có",
    "dismiss": "Không mở vụ việc",
    "forward": "Chuyển xã, phường khác",
    "answer": "Trả lời, không mở vụ việc",
    "correct-receipt": "Sửa thời điểm tiếp nhận",
    "discard-draft": "Bỏ bản nháp",
    "request-access": "Đề nghị tham gia nhóm vụ việc",
    "admit-member": "Cho tham gia",
    "refuse-member": "Từ chối",
    "assign-worker": "Giao người phụ trách",
    "leave-team": "Thôi tham gia",
    "remove-member": "Cho thôi tham gia",
    "exclude-member": "Loại trừ vì xung đột lợi ích",
    "break-glass": "Mở khẩn cấp danh tính",
    "close-glass": "Đóng lại ngay",
    "review-access": "Xem xét lần mở khẩn cấp",
}
# msgids: on what ground somebody reads, and belongs to the team.
GROUNDS: Mapping[str, str] = {
    "role": "Theo chức trách",
    "request": "Theo đề nghị được chấp nhận",
    "act": "Đã xử lý vụ việc",
    "assigned": "Được giao phụ trách",
    "glass": "Mở khẩn cấp",
    "task": "Theo nhiệm vụ được đề nghị",
    "invited": "Được mời họp",
    "entered": "Người ghi báo tin",
    "forward": "Để chuyển đúng xã, phường",
}
LEFT: Mapping[str, str] = {
    "left": "Tự thôi tham gia",
    "removed": "Được cho thôi tham gia",
    "excluded": "Loại trừ vì xung đột lợi ích",
    "refused": "Đề nghị không được chấp nhận",
    "moved": "Vụ việc đã chuyển xã, phường khác",
}
READ_FOR: Mapping[str, str] = {
    "case": "Xem vụ việc",
    "report": "Xem báo tin",
    "task": "Làm nhiệm vụ được đề nghị",
    "forward": "Chuyển báo tin",
    "api": "Phần mềm kết nối",
    "print": "In hồ sơ",
    "export": "Xuất hồ sơ",
    "search": "Tìm kiếm",
    "access": "Xem đề nghị truy cập",
    "documents": "Xem danh sách tệp",
    "form": "Điền biểu mẫu",
    "document": "Xem văn bản, tệp đính kèm",
    "meeting": "Xem nơi họp",
}
VERDICTS: Mapping[str, tuple[str, str]] = {
    "justified": ("Có căn cứ", "success"),
    "unjustified": ("Không có căn cứ", "danger"),
}
# msgids: what an account is, in short.
ROLES: Mapping[str, str] = {
    "worker": "Cán bộ xã, phường",
    "chair": "Chủ tịch xã, phường",
    "coordinator": "Điều phối viên cấp tỉnh",
    "sector": "Cán bộ ngành",
    "hotline": "Nhân viên tổng đài",
}
# How somebody said that they have an emergency in hand, and over what people were called.
CALL_ANSWERS: Mapping[str, str] = {
    "page": "trong ứng dụng",
    "link": "bằng đường dẫn trong tin nhắn",
    "reply": "bằng tin nhắn trả lời",
}
CALL_CHANNELS: Mapping[str, str] = {
    "inbox": "trong ứng dụng",
    "push": "thông báo đẩy",
    "chat": "tin nhắn trò chuyện",
    "sms": "SMS",
    "email": "thư điện tử",
}
# By the day of the week, Monday is 0.
WEEKDAYS = ("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ nhật")
