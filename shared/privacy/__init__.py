"""Privacy: personal fields sealed under keys that can be destroyed."""

from shared.privacy.keys import Erased, Keys, KeyUnknown, as_box
from shared.privacy.many import ManyKeys
from shared.privacy.sealing import PART_OVERHEAD, DataKey, PlatformKey, Unreadable, seal_to_platform

__all__ = [
    "PART_OVERHEAD",
    "DataKey",
    "Erased",
    "KeyUnknown",
    "Keys",
    "ManyKeys",
    "PlatformKey",
    "Unreadable",
    "as_box",
    "seal_to_platform",
]
