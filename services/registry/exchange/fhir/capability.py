"""What the FHIR interface can do, as a CapabilityStatement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.registry.exchange.fhir.names import MEDIA, VERSION

_PARAMETERS = {"name": "string", "birthdate": "date", "identifier": "token", "gender": "token"}
_OPERATIONS = {
    "match": "http://hl7.org/fhir/OperationDefinition/Patient-match",
    "export": "https://vongtay.vn/fhir/OperationDefinition/patient-export-filtered",
}
_ABOUT = (
    "Tìm kiếm chỉ bằng POST _search: không có danh tính nào nằm trong địa chỉ. "
    "Gửi lại cùng một bản ghi không tạo trẻ thứ hai. "
    "Searches by POST _search only: no identity ever stands in an address. "
    "A record that is sent again makes no second child."
)


def capability(url: str, since: datetime) -> dict[str, Any]:
    """In: where the interface is, and since when it is as it is. Out: the CapabilityStatement."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": since.date().isoformat(),
        "kind": "instance",
        "software": {"name": "Vòng Tay"},
        "implementation": {"description": "Sổ đăng ký trẻ em của tỉnh", "url": url},
        "fhirVersion": VERSION,
        "format": [MEDIA],
        "rest": [
            {
                "mode": "server",
                "documentation": _ABOUT,
                "security": {"cors": False, "description": "Authorization: Bearer <token>"},
                "resource": [
                    {
                        "type": "Patient",
                        "interaction": [{"code": code} for code in ("read", "create", "search-type")],
                        "versioning": "versioned",
                        "conditionalRead": "not-match",
                        "searchParam": [{"name": name, "type": kind} for name, kind in _PARAMETERS.items()],
                        "operation": [{"name": name, "definition": where} for name, where in _OPERATIONS.items()],
                    }
                ],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }
