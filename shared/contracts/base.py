"""How an event is defined, once: a Pydantic model with a type, an owner and marked personal fields.

Everything else (schemas, AsyncAPI, validation, sealing, fast decoding) derives from that definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from shared.contracts.errors import SEALED_BOX, Rejected, Violation, refuse_unstorable, violations_of

TYPE_PREFIX = "vn.vongtay."
SERVICES = ("registry", "cases", "stats", "notify")
Service = Literal["registry", "cases", "stats", "notify"]
T = TypeVar("T")


class SealedBox(BaseModel):
    """A personal field as it lies on the wire: AES-256-GCM under a data key, or hybrid to the platform's public key.

    `kid` names the key (`child/<id>`, `case/<id>`, `platform/<n>`), never a person. `text` is base64 of
    nonce and ciphertext; `ephemeral` is the sender's X25519 public key in the hybrid form (RFC 9180's pattern).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sealed: Literal["A256GCM", "X25519-HKDF-SHA256-A256GCM"]
    kid: str = Field(max_length=120)
    text: str
    ephemeral: str | None = None


class SealMark:
    """Marks a field whose plain content is identity."""

    def __repr__(self) -> str:
        return "SEALED"


def _box_or_plain(value: object) -> object:
    """What calls itself sealed is a box or nothing: never a description whose every field happens to be unknown."""
    if isinstance(value, Mapping) and "sealed" in value:
        try:
            return SealedBox.model_validate(value)
        except ValidationError:
            raise PydanticCustomError(SEALED_BOX, "no valid sealed box") from None
    return value


SEALED = SealMark()
# `Sealed[Child]` on a contract's field is all a publisher has to say: the plain value or its box.
Sealed = Annotated[T | SealedBox, BeforeValidator(_box_or_plain), SEALED]


class Contract(BaseModel):
    """The data of one event type. Unknown fields are ignored: a contract only grows."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    TYPE: ClassVar[str]
    PUBLISHER: ClassVar[str]
    OWNER: ClassVar[Service | None]
    # Without prefix, where it travels apart from its publisher's other events.
    TOPIC: ClassVar[str | None]

    @classmethod
    def sealed_fields(cls) -> tuple[str, ...]:
        """Names of the fields that carry identity."""
        return _sealed_fields(cls)


@cache
def _sealed_fields(model: type[Contract]) -> tuple[str, ...]:
    return tuple(
        name for name, field in model.model_fields.items() if SEALED in field.metadata or _is_marked(field.annotation)
    )


def _is_marked(annotation: object) -> bool:
    """`Sealed[X] | None` keeps its mark inside the union, where Pydantic leaves it."""
    return SEALED in getattr(annotation, "__metadata__", ()) or any(map(_is_marked, get_args(annotation)))


CONTRACTS: dict[str, type[Contract]] = {}
C = TypeVar("C", bound=Contract)


def contract(name: str, owner: Service | None = None, *, topic: str | None = None) -> Callable[[type[C]], type[C]]:
    """Register a contract as `vn.vongtay.<name>`; `owner` is the service that answers an agency's event.

    `topic`: without prefix, where it does not travel on its publisher's own.
    """

    def register(model: type[C]) -> type[C]:
        model.TYPE = TYPE_PREFIX + name
        model.PUBLISHER = name.split(".", 1)[0]
        model.OWNER = owner
        model.TOPIC = topic
        if model.TYPE in CONTRACTS:
            raise ValueError(f"two contracts are named {model.TYPE}")
        CONTRACTS[model.TYPE] = model
        return model

    return register


def contract_of(event_type: str) -> type[Contract]:
    """The contract of an event type. Raises `Rejected` (field `type`) where there is none."""
    found = CONTRACTS.get(event_type)
    if found is None:
        raise Rejected(
            [Violation("type", "type-unknown", "Loại sự kiện không có trong danh mục.", "The event type is not known.")]
        )
    return found


def parse(model: type[C], data: Any) -> C:
    """Data (a decoded JSON object) as the contract. Raises `Rejected` naming each field that breaks it."""
    refuse_unstorable(data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Rejected(violations_of(error)) from None
