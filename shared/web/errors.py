"""What went wrong, why, and what now: a page for people, problem+json for programs, both in both languages.

It must never show or log what somebody typed, an exception's message or a traceback's values.
"""

import secrets
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from shared.contracts.errors import UNSTORABLE, Rejected, Violation
from shared.database import is_conflict, is_unstorable
from shared.identity import ForgedFormError, TooManyTriesError, sign_in_url
from shared.web.pages import Pages

_LOG = structlog.get_logger(__name__)
# How many places of a traceback the log names, the innermost first.
PLACES = 8


@dataclass(frozen=True, slots=True)
class Problem:
    """The three sentences of an error. All are msgids."""

    what: str
    why: str
    now: str


PROBLEMS: dict[int, Problem] = {
    401: Problem(
        "Anh chị cần đăng nhập",
        "Trang này chỉ dành cho người đã đăng nhập, hoặc phiên làm việc đã hết hạn sau 12 giờ.",
        "Đăng nhập rồi thử lại.",
    ),
    403: Problem(
        "Anh chị không có quyền xem nội dung này",
        "Nội dung thuộc vai trò hoặc địa bàn khác. Hồ sơ của trẻ chỉ mở cho người có trách nhiệm.",
        "Nếu công việc của anh chị cần nội dung này, hãy đề nghị người phụ trách cấp quyền.",
    ),
    404: Problem(
        "Không tìm thấy trang này",
        "Đường dẫn có thể đã bị gõ sai, hoặc nội dung đã được gộp, chuyển đi hay xóa.",
        "Kiểm tra lại đường dẫn, hoặc quay về trang đầu và tìm từ đó.",
    ),
    405: Problem(
        "Không thể thực hiện thao tác này tại đây",
        "Địa chỉ này không nhận loại yêu cầu vừa gửi.",
        "Quay lại trang trước và dùng nút trên trang.",
    ),
    408: Problem(
        "Đường truyền quá chậm, tệp chưa gửi xong",
        "Trong thời gian chờ, quá ít dữ liệu đến được hệ thống. Chưa có gì được lưu.",
        "Đến nơi sóng mạnh hơn hoặc giảm dung lượng tệp, rồi gửi lại.",
    ),
    409: Problem(
        "Nội dung đã được người khác thay đổi",
        "Trong lúc anh chị làm việc, một người khác đã lưu thay đổi của họ.",
        "Mở lại trang để xem bản mới nhất, rồi thực hiện lại thay đổi của anh chị.",
    ),
    413: Problem(
        "Dữ liệu gửi lên quá lớn",
        "Tệp hoặc biểu mẫu vượt quá giới hạn của hệ thống.",
        "Chia nhỏ tệp rồi gửi lại từng phần.",
    ),
    422: Problem(
        "Thông tin chưa hợp lệ",
        "Một hoặc nhiều mục còn thiếu hoặc chưa đúng. Chưa có gì được lưu.",
        "Quay lại, sửa các mục nêu dưới đây rồi gửi lại.",
    ),
    429: Problem(
        "Anh chị đã thử quá nhiều lần",
        "Để bảo vệ tài khoản, hệ thống tạm dừng nhận yêu cầu này.",
        "Chờ ít phút rồi thử lại.",
    ),
    500: Problem(
        "Hệ thống gặp lỗi",
        "Đây là lỗi của hệ thống, không phải của anh chị. Thao tác vừa rồi có thể chưa được lưu.",
        "Thử lại sau ít phút. Nếu vẫn lỗi, báo cho quản trị hệ thống kèm mã lỗi bên dưới.",
    ),
    503: Problem(
        "Hệ thống tạm thời chưa sẵn sàng",
        "Một phần của hệ thống đang khởi động hoặc bảo trì.",
        "Dữ liệu đã gửi không mất. Thử lại sau ít phút.",
    ),
}
FORGED_FORM = Problem(
    "Biểu mẫu đã hết hạn",
    "Biểu mẫu được mở từ một phiên làm việc khác hoặc từ một trang khác. Chưa có gì được lưu.",
    "Mở lại trang, kiểm tra nội dung rồi gửi lại.",
)


def problem_of(status: int) -> Problem:
    """Out: the sentences for a status, those of its class where it has none of its own."""
    return PROBLEMS.get(status) or PROBLEMS[500 if status >= 500 else 404]


def wants_html(request: Request) -> bool:
    """Whether a person's browser asks; programs get problem+json."""
    return "text/html" in request.headers.get("accept", "") and "authorization" not in request.headers


class ErrorAnswers:
    """Answers every error of an application in the requester's form and language."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def http(self, request: Request, error: Exception) -> Response:
        """For Starlette's `HTTPException`."""
        if not isinstance(error, HTTPException):
            raise TypeError("only for HTTPException") from error
        return self.answer(request, error.status_code, headers=error.headers)

    async def invalid(self, request: Request, error: Exception) -> Response:
        """For a request that FastAPI's models refuse, and for `Rejected`."""
        violations: Sequence[Violation] = ()
        if isinstance(error, Rejected):
            violations = error.violations
        elif isinstance(error, RequestValidationError):
            violations = _violations_of_request(error)
        return self.answer(request, 422, violations=violations)

    async def sign_in(self, request: Request, error: Exception) -> Response:
        """For `SignInNeededError`: a person is led to the sign-in page and back."""
        if wants_html(request) and request.method in {"GET", "HEAD"}:
            return RedirectResponse(sign_in_url(request), 303)
        return self.answer(request, 401, headers={"WWW-Authenticate": 'Bearer realm="vongtay"'})

    async def refused(self, request: Request, error: Exception) -> Response:
        """For `NotAllowedError`, `ForgedFormError` and `TooManyTriesError`."""
        if isinstance(error, TooManyTriesError):
            return self.answer(request, 429, headers={"Retry-After": str(error.retry_after)})
        return self.answer(request, 403, problem=FORGED_FORM if isinstance(error, ForgedFormError) else None)

    def crashed(self, request: Request, error: Exception) -> Response:
        """For everything nobody expected: a reference that ties the page to the log line.

        Two people's acts that met on one record are no fault: nothing of this one was saved, and it may be done again.
        """
        if is_conflict(error):
            return self.answer(request, 409)
        reference = secrets.token_hex(4)
        # Only the places and the type: an exception's message may carry what a person typed.
        places = " < ".join(
            f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[: -PLACES - 1 : -1]
        )
        _LOG.error("request.crashed", reference=reference, reason=type(error).__name__, places=places)
        if is_unstorable(error):
            return self.answer(request, 422, violations=[replace(UNSTORABLE, field="request")])
        return self.answer(request, 500, reference=reference)

    def answer(
        self,
        request: Request,
        status: int,
        *,
        problem: Problem | None = None,
        violations: Sequence[Violation] = (),
        reference: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """In: a status and what is known about it. Out: the error page or problem+json."""
        said = problem or problem_of(status)
        if wants_html(request):
            return self._pages.render(
                request,
                "error.html",
                status=status,
                headers=headers,
                problem=said,
                violations=violations,
                reference=reference,
                code=status,
            )
        english = {name: self._pages.texts.gettext("en", getattr(said, name)) for name in ("what", "why", "now")}
        body: dict[str, object] = {
            "type": "about:blank",
            "status": status,
            "title": english["what"],
            "detail": f"{english['why']} {english['now']}",
            "title_vi": said.what,
            "detail_vi": f"{said.why} {said.now}",
        }
        if violations:
            body["violations"] = [violation.as_dict() for violation in violations]
        if reference:
            body["reference"] = reference
        return JSONResponse(body, status, headers, "application/problem+json")


def _violations_of_request(error: RequestValidationError) -> list[Violation]:
    found = []
    for item in error.errors():
        # The first part of the place is FastAPI's own word (body, query, path), of no use to the sender.
        field = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
        rule = str(item["type"])
        missing = rule == "missing"
        found.append(
            Violation(
                field,
                rule,
                f"Mục «{field}» {'còn thiếu' if missing else 'chưa hợp lệ'}.",
                f"Field «{field}» {'is required' if missing else 'is not valid'}.",
            )
        )
    return found
