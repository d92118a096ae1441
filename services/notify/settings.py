"""What only notifications have to be told: limits towards endpoints, and whether private addresses are allowed.

It must never allow private addresses in production unless that is asked for by name.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class NotifySettings(BaseSettings):
    """Environment variables `VONGTAY_NOTIFY_*`; the defaults suit one process beside others."""

    model_config = SettingsConfigDict(env_prefix="VONGTAY_NOTIFY_", frozen=True, extra="ignore")

    # None: as the environment asks. A demo's receivers run on this machine, a province's partners never do.
    allow_private: bool | None = None
    at_once: int = Field(default=512, ge=1, le=10_000, description="requests at once to endpoints that answer fast")
    slow_at_once: int = Field(default=1000, ge=1, le=10_000, description="requests at once to slow endpoints, besides")
    unsettled_at_most: int = Field(default=64, ge=1, le=10_000, description="sent, but not yet noted")
    leased_at_most: int = Field(default=4000, ge=1, le=100_000, description="deliveries held in memory")
    timeout_seconds: float = Field(default=10, gt=0, le=60)
    lease_seconds: float = Field(default=30, gt=0, le=3600)
    topic_replicas: int | None = Field(default=None, ge=1, description="of partners' topics; None: 3 in production")
    prove_demo: bool = Field(default=False, description="made-up people must verify their addresses, too")
    mail_from: str = "vong-tay@localhost"
    sms_url: SecretStr | None = Field(default=None, description="smpp://system_id:password@host:port, smpps:// for TLS")
    sms_sender: str = Field(default="VongTay", pattern=r"^(\+?[0-9]{1,20}|[A-Za-z0-9 .-]{1,11})$")
    sms_per_second: float = Field(default=10, ge=0, le=1000, description="messages; 0: no limit")
    sms_window: int = Field(default=10, ge=1, le=100, description="messages on their way at once")
    chat_shape: str | None = Field(default=None, description="of notify-chat.yaml; None: there is no chat")
    chat_url: str | None = Field(default=None, description="where messages go, where it is not the shape's own")
    chat_token: SecretStr | None = None

    @property
    def sms_answered(self) -> bool:
        """Whether people can answer an SMS: a number can be answered, a name cannot."""
        return self.sms_url is not None and self.sms_sender.removeprefix("+").isdigit()

    def private_allowed(self, environment: Literal["local", "test", "production"]) -> bool:
        """Whether endpoints may lie on this machine or in its network, and be reached without TLS."""
        return environment != "production" if self.allow_private is None else self.allow_private

    def replicas(self, environment: Literal["local", "test", "production"]) -> int:
        """Copies of each partition of a partner's topic."""
        return self.topic_replicas or (3 if environment == "production" else 1)
