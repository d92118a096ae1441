"""Settings refuse what would be unsafe and never show a secret."""

import pytest
from pydantic import ValidationError

from shared.settings import Settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("VONGTAY_")]:
        monkeypatch.delenv(name)


def test_variables_with_the_prefix_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VONGTAY_KAFKA_BOOTSTRAP", "kafka:9092")
    monkeypatch.setenv("VONGTAY_TOPIC_PREFIX", "test.vongtay.")
    settings = Settings()
    assert settings.kafka_bootstrap == "kafka:9092"
    assert settings.topic_prefix == "test.vongtay."


def test_two_local_processes_never_share_a_made_up_secret() -> None:
    first, second = Settings().session_secret, Settings().session_secret
    assert len(first.get_secret_value()) >= 32
    assert first != second


@pytest.mark.parametrize("secret", ["", "short"])
def test_production_asks_for_a_real_secret(secret: str) -> None:
    with pytest.raises(ValidationError, match="VONGTAY_SESSION_SECRET"):
        Settings(environment="production", session_secret=secret)  # type: ignore[arg-type]


def test_production_refuses_demo_users() -> None:
    with pytest.raises(ValidationError, match="VONGTAY_DEMO_USERS"):
        Settings(environment="production", session_secret="x" * 40, demo_users=True)  # type: ignore[arg-type]


def test_a_secret_is_not_shown_when_settings_are_printed() -> None:
    assert "correct-horse" not in repr(Settings(session_secret="correct-horse-battery-staple-long"))  # type: ignore[arg-type]


def test_a_refusal_does_not_repeat_what_was_typed() -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings(environment="production", session_secret="hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(refusal.value)
