"""The events: the only thing that services share about each other. Importing this package registers every contract."""

from shared.contracts import agency, cases, notify, registry, sealed, stats
from shared.contracts.base import CONTRACTS, Contract, Sealed, SealedBox, contract_of, parse
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Rejected, Violation

__all__ = [
    "CONTRACTS",
    "Contract",
    "Envelope",
    "Rejected",
    "Sealed",
    "SealedBox",
    "Violation",
    "agency",
    "cases",
    "contract_of",
    "notify",
    "parse",
    "registry",
    "sealed",
    "stats",
]
