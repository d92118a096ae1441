"""What only the cases service has to be told: limits of what people attach."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CasesSettings(BaseSettings):
    """Environment variables `VONGTAY_CASES_*`."""

    model_config = SettingsConfigDict(env_prefix="VONGTAY_CASES_", frozen=True, extra="ignore")

    attachment_megabytes: int = Field(default=20, ge=1, le=200, description="of one attached file")
    attachments_per_case: int = Field(default=200, ge=1, le=10_000)
    uploads_at_once: int = Field(default=4, ge=1, le=64, description="files looked at and written at the same time")
    uploads_arriving: int = Field(default=32, ge=1, le=1000, description="files on their way in at the same time")
    papers_at_once: int = Field(default=2, ge=1, le=32, description="PDF and DOCX made at the same time")
