"""When the collector of cycles looks: seldom, for our records and rows hold none."""

from __future__ import annotations

import gc

# A batch of events is some hundred thousand objects that their references let go of. Looking through them for cycles
# held every request up for a quarter of a second, every twenty batches, and found nothing that was ours.
_NEW_OBJECTS = 200_000


def collect_seldom(*, keep: bool = True) -> None:
    """Let the collector come seldom. `keep`: what is loaded by now stays for as long as the process, so that it need
    never be looked at again."""
    if keep:
        gc.collect()
        gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)
