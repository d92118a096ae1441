"""Configuration of every process: environment variables named VONGTAY_*, read once at start and passed on explicitly.

It must never hold a default secret, and must never be a global that code reaches for.
"""

import secrets
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIN_SECRET_LENGTH = 32


class Settings(BaseSettings):
    """Out: the process's configuration. Errors: `ValidationError` naming the variable that is wrong.

    In `local` and `test` a missing session secret is made up for the life of the process; in `production` it is asked
    for, because replicas must agree on it and a restart must not sign everybody out.
    """

    model_config = SettingsConfigDict(env_prefix="VONGTAY_", frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["local", "test", "production"] = "local"
    data_dir: Path = Path("data")
    reference_dir: Path | None = None
    base_url: str = "http://127.0.0.1:8600"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    session_secret: SecretStr = SecretStr("")
    users_file: Path | None = None
    demo_users: bool = False

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_user: str | None = None
    kafka_password: SecretStr | None = None
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    topic_prefix: str = Field(default="vongtay.", pattern=r"^([a-z0-9_-]+\.)*$")

    database_url: SecretStr | None = None

    master_key_file: Path | None = None
    platform_key_file: Path | None = None

    otlp_endpoint: str | None = None
    smtp_url: SecretStr | None = None

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        secret = self.session_secret.get_secret_value()
        if not secret and self.environment != "production":
            # The model is frozen for its readers; this is its own construction.
            object.__setattr__(self, "session_secret", SecretStr(secrets.token_urlsafe(48)))
        elif len(secret) < MIN_SECRET_LENGTH:
            raise ValueError(f"VONGTAY_SESSION_SECRET must have at least {MIN_SECRET_LENGTH} characters")
        if self.demo_users and self.environment == "production":
            raise ValueError("VONGTAY_DEMO_USERS is for trying things out and is refused in production")
        return self

    @property
    def secure_cookies(self) -> bool:
        """Whether people arrive over TLS, so that cookies may be limited to it."""
        return self.base_url.startswith("https://")
