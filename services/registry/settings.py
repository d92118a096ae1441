"""What only the registry has to be told: how large a file may be, and how long it is kept."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RegistrySettings(BaseSettings):
    """Environment variables `VONGTAY_REGISTRY_*`."""

    model_config = SettingsConfigDict(env_prefix="VONGTAY_REGISTRY_", frozen=True, extra="ignore")

    import_megabytes: int = Field(default=200, ge=1, le=2_000, description="of one roster sent in")
    import_days: int = Field(default=30, ge=1, le=365, description="a roster's file is kept, sealed")
