"""Connections to Kafka, made in one place from the settings: FastStream for consuming, aiokafka for the relay."""

from __future__ import annotations

import ssl
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.helpers import create_ssl_context
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLScram256

from shared.messaging import tolerance
from shared.settings import Settings


def tls(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context where the settings ask for TLS."""
    return create_ssl_context() if "SSL" in settings.kafka_security.split("_") else None


def security(settings: Settings) -> BaseSecurity:
    """FastStream's form of the settings' security."""
    context = tls(settings)
    if settings.kafka_security.startswith("SASL") and settings.kafka_user and settings.kafka_password:
        password = settings.kafka_password.get_secret_value()
        return SASLScram256(settings.kafka_user, password, ssl_context=context, use_ssl=context is not None)
    return BaseSecurity(ssl_context=context, use_ssl=context is not None)


def client_options(settings: Settings) -> dict[str, Any]:
    """aiokafka's form of the same."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security,
        "ssl_context": tls(settings),
    }
    if settings.kafka_security.startswith("SASL") and settings.kafka_user and settings.kafka_password:
        options |= {
            "sasl_mechanism": "SCRAM-SHA-256",
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


def producer(settings: Settings) -> AIOKafkaProducer:
    """An idempotent producer: no event twice or out of order because of its own retries.

    It does not linger: whoever has much to send gives it much at once, and whoever has one event wants it sent.
    """
    return AIOKafkaProducer(**client_options(settings), enable_idempotence=True, acks="all", max_batch_size=256 * 1024)


def broker(settings: Settings) -> KafkaBroker:
    """FastStream's broker. Types are not applied: our contracts are checked in shared.messaging.processing."""
    tolerance.install()
    return KafkaBroker(settings.kafka_bootstrap, security=security(settings), apply_types=False, logger=None)
