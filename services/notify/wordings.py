"""The words of notifications as msgids: what is said of each event type. Tables and nothing else.

Places: {event} type, {case} what people call the case, {unit} commune's name, {due} local time, {n} of how many, {what}
what an emergency is about. Nothing else can be said, so no identity can get in. Each text has its English in the
catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said of one event type: `explanation` to who chooses event types, `title` to who is told, `short` in an
    SMS (no commune in it), `many` where one line speaks of several. `over`: it says that something needs not be done
    any more, so that its date is no deadline to anybody.
    """

    explanation: str
    title: str
    short: str = ""
    many: str = ""
    over: bool = False


WORDINGS: Mapping[str, Wording] = {
    "cases.concern.received": Wording(
        explanation="Tiếp nhận thông tin về trẻ có nguy cơ bị xâm hại",
        title="Có thông tin báo mới tại {unit}",
        short="Có tin báo về trẻ em",
    ),
    "cases.concern.dismissed": Wording(
        explanation="Thông tin báo được kết luận không lập hồ sơ",
        title="Một thông tin báo tại {unit} được kết luận không lập hồ sơ",
        many="{n} thông tin báo tại {unit} được kết luận không lập hồ sơ",
    ),
    "cases.concern.answered": Wording(
        explanation="Trả lời một yêu cầu tư vấn, phòng ngừa",
        title="Một yêu cầu tư vấn tại {unit} đã được trả lời",
        many="{n} yêu cầu tư vấn tại {unit} đã được trả lời",
    ),
    "cases.case.opened": Wording(
        explanation="Mở hồ sơ vụ việc",
        title="Mở vụ việc {case} tại {unit}",
        short="Mở vụ việc {case}",
        many="{n} vụ việc được mở tại {unit}",
    ),
    "cases.case.child-linked": Wording(
        explanation="Xác định được trẻ của vụ việc trong sổ theo dõi",
        title="Vụ việc {case} đã gắn với hồ sơ trẻ",
    ),
    "cases.case.child-unlinked": Wording(
        explanation="Gỡ vụ việc khỏi hồ sơ của một trẻ khác",
        title="Vụ việc {case} tại {unit} đã gỡ khỏi hồ sơ trẻ gắn nhầm",
    ),
    "cases.case.sibling-linked": Wording(
        explanation="Liên kết với vụ việc của trẻ khác trong cùng gia đình hoặc cùng tin báo",
        title="Vụ việc {case} tại {unit} được liên kết với một vụ việc khác",
    ),
    "cases.case.sibling-unlinked": Wording(
        explanation="Bỏ liên kết với một vụ việc khác",
        title="Vụ việc {case} tại {unit} thôi liên kết với một vụ việc khác",
    ),
    "cases.child.chosen": Wording(
        explanation="Cán bộ đã chọn trẻ của vụ việc trong các hồ sơ được gợi ý, hoặc đề nghị lập hồ sơ mới",
        title="Đã chọn trẻ của vụ việc {case}",
    ),
    "cases.facts.verified": Wording(
        explanation="Xác minh xong thông tin của vụ việc",
        title="Đã xác minh thông tin của vụ việc {case}",
    ),
    "cases.risk.assessed": Wording(
        explanation="Đánh giá nguy cơ (sơ bộ hoặc cụ thể)",
        title="Đã đánh giá nguy cơ của vụ việc {case}",
    ),
    "cases.emergency.measure.decided": Wording(
        explanation="Quyết định biện pháp can thiệp khẩn cấp",
        title="Có biện pháp khẩn cấp cho vụ việc {case} tại {unit}",
        short="Biện pháp khẩn cấp, vụ việc {case}",
    ),
    "cases.separation.decided": Wording(
        explanation="Quyết định tạm thời cách ly",
        title="Vụ việc {case} tại {unit} có quyết định tạm thời cách ly",
    ),
    "cases.separation.extended": Wording(
        explanation="Gia hạn tạm thời cách ly",
        title="Tạm thời cách ly trong vụ việc {case} được gia hạn",
    ),
    "cases.separation.ended": Wording(
        explanation="Kết thúc tạm thời cách ly",
        title="Tạm thời cách ly trong vụ việc {case} đã kết thúc",
    ),
    "cases.contact-ban.requested": Wording(
        explanation="Đề nghị cấm tiếp xúc, chờ quyết định trong 12 giờ",
        title="Có đề nghị cấm tiếp xúc trong vụ việc {case} tại {unit}, chờ quyết định",
        short="Đề nghị cấm tiếp xúc chờ quyết định, vụ việc {case}",
    ),
    "cases.contact-ban.decided": Wording(
        explanation="Quyết định cấm tiếp xúc, hoặc không cấm",
        title="Đề nghị cấm tiếp xúc trong vụ việc {case} tại {unit} đã có quyết định",
    ),
    "cases.contact-ban.ended": Wording(
        explanation="Hết thời gian cấm tiếp xúc, hoặc được bãi bỏ",
        title="Lệnh cấm tiếp xúc trong vụ việc {case} tại {unit} không còn hiệu lực",
    ),
    "cases.meeting.called": Wording(
        explanation="Mời các ngành họp về một vụ việc",
        title="Mời dự họp về vụ việc {case} tại {unit}",
    ),
    "cases.meeting.held": Wording(
        explanation="Đã họp các ngành về một vụ việc",
        title="Đã họp về vụ việc {case} tại {unit}",
    ),
    "cases.meeting.cancelled": Wording(
        explanation="Hủy cuộc họp về một vụ việc",
        title="Cuộc họp về vụ việc {case} tại {unit} đã được hủy",
    ),
    "cases.service.provided": Wording(
        explanation="Trẻ của một vụ việc được cung cấp một dịch vụ",
        title="Một dịch vụ trong vụ việc {case} tại {unit} đã được thực hiện",
        many="{n} dịch vụ đã được cung cấp tại {unit}",
    ),
    "cases.care.decided": Wording(
        explanation="Quyết định chăm sóc thay thế",
        title="Vụ việc {case} tại {unit} có quyết định chăm sóc thay thế",
    ),
    "cases.care.handed-over": Wording(
        explanation="Bàn giao trẻ cho người chăm sóc thay thế",
        title="Trẻ trong vụ việc {case} tại {unit} đã được bàn giao cho người chăm sóc thay thế",
    ),
    "cases.care.ended": Wording(
        explanation="Chấm dứt chăm sóc thay thế",
        title="Chăm sóc thay thế trong vụ việc {case} tại {unit} đã chấm dứt",
    ),
    "cases.plan.drafted": Wording(
        explanation="Kế hoạch hỗ trợ, can thiệp chờ phê duyệt",
        title="Kế hoạch của vụ việc {case} chờ phê duyệt",
        short="Kế hoạch chờ phê duyệt, vụ việc {case}",
    ),
    "cases.plan.approved": Wording(
        explanation="Kế hoạch được phê duyệt",
        title="Kế hoạch của vụ việc {case} đã được phê duyệt",
    ),
    "cases.plan.returned": Wording(
        explanation="Kế hoạch bị trả lại để bổ sung",
        title="Kế hoạch của vụ việc {case} cần bổ sung",
    ),
    "cases.task.requested": Wording(
        explanation="Đề nghị một ngành phối hợp",
        title="Đề nghị phối hợp trong vụ việc {case} tại {unit}",
        short="Đề nghị phối hợp, vụ việc {case}",
    ),
    "cases.task.accepted": Wording(
        explanation="Ngành nhận việc",
        title="Một việc phối hợp của vụ việc {case} đã được nhận",
    ),
    "cases.task.declined": Wording(
        explanation="Ngành từ chối việc được đề nghị",
        title="Một việc phối hợp của vụ việc {case} bị từ chối",
        short="Ngành từ chối phối hợp, vụ việc {case}",
    ),
    "cases.task.done": Wording(
        explanation="Ngành làm xong việc",
        title="Một việc phối hợp của vụ việc {case} đã xong",
        over=True,
    ),
    "cases.task.overdue": Wording(
        explanation="Việc phối hợp quá hạn",
        title="Một việc phối hợp của vụ việc {case} đã quá hạn",
        short="Việc phối hợp quá hạn, vụ việc {case}",
        many="{n} nhiệm vụ quá hạn tại {unit}",
    ),
    "cases.task.cancelled": Wording(
        explanation="Việc phối hợp được hủy, không cần làm nữa",
        title="Việc phối hợp của vụ việc {case} tại {unit} đã được hủy",
        over=True,
    ),
    "cases.task.followed-case": Wording(
        explanation="Việc phối hợp đi theo vụ việc được chuyển hoặc phân loại lại",
        title="Một việc phối hợp của vụ việc {case} nay do {unit} chủ trì",
    ),
    "cases.task.questioned": Wording(
        explanation="Ngành hỏi lại trước khi làm",
        title="Ngành phối hợp hỏi về một việc của vụ việc {case} tại {unit}",
    ),
    "cases.task.replied": Wording(
        explanation="Xã, phường trả lời ngành",
        title="Xã, phường đã trả lời về việc phối hợp của vụ việc {case} tại {unit}",
    ),
    "cases.task.date-proposed": Wording(
        explanation="Ngành đề nghị thời hạn khác",
        title="Ngành phối hợp đề nghị thời hạn khác cho một việc của vụ việc {case} tại {unit}",
    ),
    "cases.task.reminded": Wording(
        explanation="Xã, phường nhắc ngành",
        title="Nhắc việc phối hợp của vụ việc {case} tại {unit}, hạn {due}",
        short="Nhắc việc phối hợp, vụ việc {case}",
    ),
    "cases.review.held": Wording(
        explanation="Rà soát, đánh giá việc thực hiện kế hoạch",
        title="Đã rà soát kế hoạch của vụ việc {case}",
    ),
    "cases.case.reclassified": Wording(
        explanation="Phân loại lại vụ việc",
        title="Vụ việc {case} được phân loại lại",
    ),
    "cases.case.transferred": Wording(
        explanation="Chuyển vụ việc sang xã, phường khác",
        title="Vụ việc {case} được chuyển đến {unit}",
    ),
    "cases.case.handover-offered": Wording(
        explanation="Đề nghị bàn giao vụ việc cho xã, phường nơi trẻ sống",
        title="{unit} đề nghị bàn giao vụ việc {case} cho nơi trẻ sống",
        short="Đề nghị bàn giao vụ việc {case}",
    ),
    "cases.case.handover-answered": Wording(
        explanation="Trả lời đề nghị bàn giao vụ việc",
        title="Đề nghị bàn giao vụ việc {case} đã có trả lời",
    ),
    "cases.case.merged": Wording(
        explanation="Gộp hai hồ sơ của cùng một vụ việc",
        title="Vụ việc {case} đã được gộp",
    ),
    "cases.case.closed": Wording(
        explanation="Kết thúc vụ việc",
        title="Vụ việc {case} tại {unit} đã kết thúc",
        many="{n} vụ việc tại {unit} đã kết thúc",
    ),
    "cases.case.reopened": Wording(
        explanation="Mở lại vụ việc",
        title="Vụ việc {case} tại {unit} được mở lại",
    ),
    "cases.deadline.started": Wording(
        explanation="Bắt đầu tính một thời hạn theo luật",
        title="Vụ việc {case} có thời hạn đến {due}",
    ),
    "cases.deadline.nearing": Wording(
        explanation="Sắp hết thời hạn theo luật",
        title="Vụ việc {case} sắp hết hạn: {due}",
        short="Vụ việc {case} sắp hết hạn",
        many="{n} thời hạn sắp hết tại {unit}",
    ),
    "cases.deadline.missed": Wording(
        explanation="Đã quá thời hạn theo luật",
        title="Vụ việc {case} tại {unit} đã quá hạn: {due}",
        short="Vụ việc {case} đã quá hạn",
        many="{n} thời hạn đã quá tại {unit}",
    ),
    "cases.deadline.met": Wording(
        explanation="Việc có thời hạn đã làm xong, hoặc không cần làm nữa",
        title="Thời hạn {due} của vụ việc {case} không còn phải chờ",
        over=True,
    ),
    "cases.deadline.followed-case": Wording(
        explanation="Thời hạn đi theo vụ việc được chuyển hoặc phân loại lại",
        title="Thời hạn {due} của vụ việc {case} giữ nguyên",
    ),
    "cases.service.withdrawn": Wording(
        explanation="Một dịch vụ đã báo là thực hiện được sửa lại là chưa",
        title="Vụ việc {case} tại {unit}: một dịch vụ chưa được thực hiện",
        many="{n} dịch vụ tại {unit} được sửa lại là chưa thực hiện",
    ),
    "cases.deadline.moved": Wording(
        explanation="Thời hạn tính lại vì thời điểm tiếp nhận được sửa",
        title="Thời hạn của vụ việc {case} tại {unit} tính lại, nay đến {due}",
    ),
    "cases.deadline.paused": Wording(
        explanation="Tạm dừng tính một thời hạn theo luật",
        title="Thời hạn {due} của vụ việc {case} tại {unit} tạm dừng",
    ),
    "cases.deadline.resumed": Wording(
        explanation="Tiếp tục tính một thời hạn theo luật",
        title="Thời hạn của vụ việc {case} tại {unit} tính tiếp, nay đến {due}",
    ),
    "cases.case.assigned": Wording(
        explanation="Vụ việc có người phụ trách mới",
        title="Anh chị phụ trách vụ việc {case} tại {unit}",
        short="Anh chị phụ trách vụ việc {case}",
    ),
    "cases.team.requested": Wording(
        explanation="Đề nghị tham gia nhóm vụ việc",
        title="Có đề nghị tham gia nhóm vụ việc {case} tại {unit}",
        short="Có đề nghị vào nhóm vụ việc {case}",
    ),
    "cases.team.joined": Wording(
        explanation="Đề nghị tham gia nhóm vụ việc được chấp nhận",
        title="Anh chị được tham gia nhóm vụ việc {case} tại {unit}",
    ),
    "cases.team.left": Wording(
        explanation="Thôi tham gia nhóm vụ việc, hoặc đề nghị không được chấp nhận",
        title="Anh chị không tham gia nhóm vụ việc {case} tại {unit}",
    ),
    "cases.access.broken-glass": Wording(
        explanation="Người ngoài nhóm vụ việc mở khẩn cấp danh tính của trẻ",
        title="Danh tính của trẻ trong vụ việc {case} tại {unit} vừa được mở khẩn cấp",
        short="Danh tính trẻ được mở khẩn cấp, vụ việc {case}",
    ),
    "cases.incident.recorded": Wording(
        explanation="Ghi nhận tai nạn, thương tích hoặc sự việc khác",
        title="Ghi nhận một sự việc tại {unit}",
    ),
    "registry.child.registered": Wording(
        explanation="Thêm trẻ vào sổ theo dõi",
        title="Một trẻ mới được ghi vào sổ tại {unit}",
    ),
    "registry.child.corrected": Wording(
        explanation="Sửa thông tin trong sổ theo dõi",
        title="Một hồ sơ trẻ tại {unit} được cập nhật",
    ),
    "registry.child.moved": Wording(
        explanation="Trẻ chuyển nơi ở sang xã, phường khác",
        title="Một trẻ chuyển nơi ở đến {unit}",
        many="{n} trẻ chuyển nơi ở đến {unit}",
    ),
    "registry.child.circumstance.started": Wording(
        explanation="Trẻ thuộc một nhóm hoàn cảnh đặc biệt",
        title="Một trẻ tại {unit} thuộc nhóm hoàn cảnh đặc biệt",
    ),
    "registry.child.circumstance.ended": Wording(
        explanation="Trẻ thôi thuộc một nhóm hoàn cảnh đặc biệt",
        title="Một trẻ tại {unit} thôi thuộc nhóm hoàn cảnh đặc biệt",
    ),
    "registry.child.merged": Wording(
        explanation="Gộp hai hồ sơ của cùng một trẻ",
        title="Hai hồ sơ trẻ tại {unit} được gộp làm một",
    ),
    "registry.child.split": Wording(
        explanation="Một hồ sơ hóa ra là của hai trẻ và được tách",
        title="Một hồ sơ trẻ tại {unit} được tách làm hai",
    ),
    "registry.child.deceased": Wording(
        explanation="Ghi nhận một trẻ đã mất",
        title="Ghi nhận một trẻ tại {unit} đã mất",
    ),
    "registry.child.checked": Wording(
        explanation="Kiểm tra xong một hồ sơ trẻ",
        title="Đã kiểm tra một hồ sơ trẻ tại {unit}",
    ),
    "registry.child.verified": Wording(
        explanation="Xác minh xong một hồ sơ trẻ",
        title="Đã xác minh một hồ sơ trẻ tại {unit}",
    ),
    "registry.child.verification.due": Wording(
        explanation="Một hồ sơ trẻ đến hạn xác minh lại",
        title="Một hồ sơ trẻ tại {unit} đến hạn xác minh lại",
    ),
    "registry.child.support.started": Wording(
        explanation="Một trẻ bắt đầu được tính là đang được trợ giúp",
        title="Một trẻ tại {unit} bắt đầu được trợ giúp",
    ),
    "registry.child.support.ended": Wording(
        explanation=(
            "Một trẻ không còn được tính là đang được trợ giúp, vì dịch vụ gần nhất đã quá 12 tháng "
            "hoặc đã được rút lại"
        ),
        title="Một trẻ tại {unit} không còn được trợ giúp",
    ),
    "registry.child.aged-out": Wording(
        explanation="Một trẻ đủ 16 tuổi",
        title="Một trẻ tại {unit} đã đủ 16 tuổi",
    ),
    "registry.child.withdrawn": Wording(
        explanation="Rút khỏi sổ một hồ sơ không phải của trẻ em",
        title="Một hồ sơ tại {unit} đã được rút khỏi sổ",
    ),
    "registry.child.returned": Wording(
        explanation="Mở lại một hồ sơ trẻ đã đóng",
        title="Một hồ sơ trẻ tại {unit} được mở lại",
    ),
    "registry.verification.digest": Wording(
        explanation="Mỗi ngày một lần: hồ sơ trẻ đến hạn xác minh lại",
        title="Có hồ sơ trẻ tại {unit} đến hạn xác minh lại",
    ),
    "registry.reverification.completed": Wording(
        explanation="Phúc tra xong một mẫu hồ sơ trẻ",
        title="Đã phúc tra xong một mẫu hồ sơ trẻ tại {unit}",
    ),
    "registry.quality.measured": Wording(
        explanation="Mỗi ngày một lần: chất lượng hồ sơ trẻ của một xã, phường",
        title="Chất lượng hồ sơ trẻ tại {unit} đã được tính lại",
    ),
    "registry.import.finished": Wording(
        explanation="Đã nhập xong một tệp danh sách trẻ, hoặc hoàn tác việc nhập",
        title="Đã xử lý xong một tệp danh sách trẻ",
    ),
    "stats.activity.recorded": Wording(
        explanation="Ghi nhận một hoạt động truyền thông, tập huấn do ngành báo",
        title="Đã ghi nhận một hoạt động do ngành báo",
    ),
    "stats.figure.recorded": Wording(
        explanation="Ghi nhận một số liệu do ngành báo",
        title="Đã ghi nhận một số liệu do ngành báo",
    ),
    "stats.target.missed": Wording(
        explanation="Một chỉ tiêu không đạt mục tiêu của năm, của tỉnh hoặc của xã",
        title="Một chỉ tiêu không đạt mục tiêu",
        many="{n} chỉ tiêu không đạt mục tiêu",
    ),
    "stats.surge.detected": Wording(
        explanation="Số tin báo của một xã trong bảy ngày cao hơn hẳn mức thường thấy",
        title="Tin báo tại {unit} tăng bất thường trong bảy ngày qua",
        short="Tin báo tăng bất thường",
    ),
    "stats.sector.silent": Wording(
        explanation="Một ngành lâu không gửi thông tin như thường lệ",
        title="Một ngành đã lâu không gửi thông tin như thường lệ",
    ),
    "stats.period.closed": Wording(
        explanation="Số liệu một kỳ được chốt, ký số",
        title="Số liệu một kỳ đã được chốt",
    ),
    "stats.period.revised": Wording(
        explanation="Số liệu một kỳ đã chốt được đính chính",
        title="Số liệu một kỳ đã chốt vừa được đính chính",
    ),
    "stats.indicator.changed": Wording(
        explanation="Một chỉ tiêu thay đổi giá trị",
        title="Một chỉ tiêu vừa thay đổi",
    ),
    "cases.content.sealed": Wording(
        explanation="Nội dung về vụ việc, niêm phong riêng cho tổ chức theo thỏa thuận",
        title="Nội dung về vụ việc {case}, niêm phong theo thỏa thuận",
    ),
    "registry.content.sealed": Wording(
        explanation="Nội dung về trẻ trong sổ, niêm phong riêng cho tổ chức theo thỏa thuận",
        title="Nội dung về một trẻ tại {unit}, niêm phong theo thỏa thuận",
    ),
    "notify.test": Wording(
        explanation="Tin thử",
        title="Đây là tin thử từ Vòng Tay",
        short="Đây là tin thử",
    ),
    "notify.address.code": Wording(
        explanation="Mã xác minh nơi nhận",
        title="Mã xác minh nơi nhận thông báo của anh chị: {code}",
        short="Mã xác minh: {code}",
    ),
    "notify.endpoint.challenge": Wording(
        explanation="Yêu cầu máy chủ nhận xác minh, trả lời mã 2xx là đủ",
        title="Yêu cầu máy chủ nhận xác minh",
    ),
    "notify.deliveries.given-up": Wording(
        explanation="Có tin không gửi được tới điểm nhận",
        title="Có tin đã không gửi được tới một điểm nhận của anh chị",
    ),
    "notify.endpoint.disabled": Wording(
        explanation="Điểm nhận bị tắt vì lỗi kéo dài",
        title="Một điểm nhận thông báo đã bị tắt vì lỗi kéo dài",
    ),
    "notify.digest": Wording(
        explanation="Tổng hợp thông báo",
        title="{n} thông báo đang chờ anh chị",
        short="{n} thông báo đang chờ anh chị",
    ),
    "notify.emergency.called": Wording(
        explanation="Tin khẩn cần anh chị xác nhận đã nhận",
        title="KHẨN: {what}, cần anh chị xác nhận đã nhận",
        short="KHẨN: {what}",
    ),
    "notify.emergency.unanswered": Wording(
        explanation="Chưa ai xác nhận một tin khẩn",
        title="Chưa ai xác nhận đã nhận một tin khẩn tại {unit}",
        short="Chưa ai xác nhận một tin khẩn",
    ),
    "notify.emergency.exhausted": Wording(
        explanation="Đã gọi hết các cấp mà chưa ai xác nhận",
        title="Đã gọi hết các cấp về một tin khẩn tại {unit} mà chưa ai xác nhận",
        short="Tin khẩn chưa ai xác nhận sau khi gọi hết các cấp",
    ),
    "notify.agreement.proposed": Wording(
        explanation="Có thỏa thuận chia sẻ dữ liệu chờ ký",
        title="Có thỏa thuận chia sẻ dữ liệu chờ tổ chức của anh chị ký",
    ),
    "notify.agreement.suspended": Wording(
        explanation="Thỏa thuận chia sẻ dữ liệu tạm dừng",
        title="Thỏa thuận chia sẻ dữ liệu với tổ chức của anh chị tạm dừng",
    ),
    "notify.agreement.resumed": Wording(
        explanation="Thỏa thuận chia sẻ dữ liệu có hiệu lực trở lại",
        title="Thỏa thuận chia sẻ dữ liệu với tổ chức của anh chị có hiệu lực trở lại",
    ),
    "notify.agreement.accepted": Wording(
        explanation="Thỏa thuận chia sẻ dữ liệu đã được ký",
        title="Một tổ chức đã ký thỏa thuận chia sẻ dữ liệu",
    ),
    "notify.agreement.ended": Wording(
        explanation="Thỏa thuận chia sẻ dữ liệu chấm dứt: dữ liệu đã nhận phải được xóa",
        title="Thỏa thuận chia sẻ dữ liệu với tổ chức của anh chị đã chấm dứt: hãy xóa dữ liệu đã nhận",
    ),
    "notify.agreement.withdrawn": Wording(
        explanation="Thỏa thuận chia sẻ dữ liệu chưa ký không còn được đề nghị",
        title="Thỏa thuận chia sẻ dữ liệu chưa ký không còn chờ tổ chức của anh chị: không cần làm gì thêm",
    ),
    "notify.agreement.closed": Wording(
        explanation="Một thỏa thuận chia sẻ dữ liệu đã chấm dứt",
        title="Thỏa thuận chia sẻ dữ liệu với một tổ chức đã chấm dứt",
    ),
}
PARTS: Mapping[str, str] = {
    "unknown": "Có cập nhật mới",
    "where": "Địa bàn: {unit}",
    "by-when": "Hạn: {due} (giờ Việt Nam)",
    "look": "Xem tại:",
    "foot": "Thư này không chứa thông tin về trẻ. Đổi hoặc tắt thư báo:",
    "sms-due": "Hạn {due}",
    "sms-look": "Xem:",
    "sms-acknowledge": "Xác nhận:",
    "sms-acknowledge-or-reply": "Trả lời OK hoặc bấm:",
    "acknowledge": "Xác nhận đã nhận, không cần đăng nhập:",
    "more": "và {n} thông báo nữa",
    "rest": "Loại khác",
}
