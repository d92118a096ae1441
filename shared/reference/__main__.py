"""`python -m shared.reference [FOLDER]`: whether all reference data can be loaded, with a province's folder over it.

For operators before and after a change, and for CI.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from shared.reference.checking import check
from shared.reference.files import ReferenceDataError, lay_over


def main(arguments: Sequence[str] = ()) -> int:
    """Exit code 0 and the counts, or 1 and what is wrong where."""
    try:
        if arguments:
            lay_over(Path(arguments[0]))
        counts = check()
    except ReferenceDataError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(f"{name}: {count}" for name, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
