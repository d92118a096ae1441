"""`python -m shared.reference`: whether all reference data can be loaded. For operators after a change, and for CI."""

from __future__ import annotations

import sys

from shared.reference.access import Access
from shared.reference.calendar import WorkCalendar
from shared.reference.deadlines import Deadlines
from shared.reference.files import ReferenceDataError
from shared.reference.forms import Forms
from shared.reference.terms import Terms
from shared.reference.units import Units


def check() -> dict[str, int]:
    """How many there are of each. Raises `ReferenceDataError` at the first fault."""
    WorkCalendar.load()
    units = Units.load()
    task_kinds, sectors = Terms.load("task-kinds"), Terms.load("sectors")
    for code in task_kinds.codes():
        if task_kinds.get(code, "sector") not in sectors:
            raise ReferenceDataError(f"terms.yaml: task-kinds.{code} is asked of no known sector")
        if not isinstance(days := task_kinds.get(code, "days"), int) or days < 1:
            raise ReferenceDataError(f"terms.yaml: task-kinds.{code} needs its usual days, at least 1")
    return {
        "units": len(units.codes()),
        "predecessors": len({unit for code in units.codes() for unit in units.predecessors(code)}),
        "deadlines": len(Deadlines.load().kinds()),
        "forms": len(Forms.load().codes()),
        "access": len(Access.load()),
        **{name: len(Terms.load(name).codes()) for name in Terms.names()},
    }


def main() -> int:
    """Exit code 0 and the counts, or 1 and what is wrong where."""
    try:
        counts = check()
    except ReferenceDataError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(f"{name}: {count}" for name, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
