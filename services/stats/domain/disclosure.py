"""Which figures are hidden from whoever may only see aggregates: small ones, and those that would give them back.

Pure, and the same for everybody whenever it is asked. It must never look at who asks, nor choose by how large a figure
is which other one is hidden with it: whoever knows how it chooses would learn from the choice.

The words are those of statistical disclosure control (Willenborg and de Waal, Elements of Statistical Disclosure
Control, 2001; Hundepool et al., Statistical Disclosure Control, 2012): a *primary* cell is small by itself, a
*complementary* one is hidden with it so that no total gives it back. Why what is done here is safe is in
docs/decisions/0026.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, Protocol, Self

from services.stats.domain.periods import Period

# Why a figure is not shown. Small and complementary ones are one reason: to tell them apart is to tell which is small.
Hidden = Literal["protected", "not-released", "not-offered"]
# Why there is none: its time was over before anything of it was recorded, nobody handed it in, there is nobody to
# divide by, or nothing of which a time was measured.
Lack = Literal["before-recording", "not-reported", "no-denominator", "nothing-measured"]
Atom = frozenset[tuple[str, ...]]
Block = frozenset[str]
Partition = tuple[Block, ...]
_FEWEST: Final = 2


class Figure(Protocol):
    """A value of an indicator, as evaluating makes it."""

    @property
    def period(self) -> Period: ...
    @property
    def keys(self) -> tuple[str, ...]: ...
    @property
    def value(self) -> float | None: ...
    @property
    def numerator(self) -> int | None: ...
    @property
    def denominator(self) -> int | None: ...
    @property
    def lack(self) -> Lack | None: ...
    @property
    def early(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as one may see it; where `hidden` says why not, it has neither value nor parts. `lack`: why there is
    none. `early`: its time was over before anything was recorded, and it counts only what was told of later."""

    period: Period
    keys: tuple[str, ...]
    value: float | None = None
    numerator: int | None = None
    denominator: int | None = None
    hidden: Hidden | None = None
    lack: Lack | None = None
    early: bool = False

    @property
    def reason(self) -> Hidden | Lack | None:
        """Why it has no value."""
        return self.hidden or self.lack

    @classmethod
    def of(cls, figure: Figure) -> Self:
        """A figure as it is."""
        parts = figure.numerator, figure.denominator
        return cls(figure.period, figure.keys, figure.value, *parts, lack=figure.lack, early=figure.early)

    @property
    def comparable(self) -> Shown:
        """It as others are compared with it: a few late records are no period's figure."""
        return Shown(self.period, self.keys, lack="before-recording") if self.early else self

    @classmethod
    def none(cls, period: Period, lack: Lack) -> Self:
        """That there is no figure of a period."""
        return cls(period, (), lack=lack)

    @classmethod
    def without(cls, period: Period, keys: tuple[str, ...], reason: Hidden) -> Self:
        """A hidden one."""
        return cls(period, keys, hidden=reason)


class Member(NamedTuple):
    """One figure among those that are hidden together. `kept`: hidden for another reason than that it is small."""

    n: int
    kept: bool = False


def sound(members: Iterable[Member], least: int) -> bool:
    """Whether figures can be hidden together, where nothing among them needs hiding, too.

    Known are their sum, that none of them is zero, and how they were chosen. Each small one may then still be anything
    from 1 to `least` - 1, and the sum itself counts nobody or enough.
    """
    present = [member for member in members if member.n]
    if any(member.n < 0 for member in present):
        return False
    few = sum(member.n < least for member in present)
    if not few and not any(member.kept for member in present):
        return True
    total = sum(member.n for member in present)
    many = len(present) - few
    if len(present) < _FEWEST or total < least:
        return False
    most = (least - 1) * few
    if many:
        # The others are known to be at least `least` each: they must not press the small ones under what they may be.
        return total >= most + least * many
    # Two small ones can be hidden by each other only where they make `least` exactly: that would tell too much.
    return few > _FEWEST and few + least - 2 <= total <= most - (least - 2)


def sound_for_insiders(members: Iterable[Member], least: int) -> bool:
    """The same where whoever knows any one of them exactly (a commune knows itself) must not learn another.

    It holds for their sums; how they were chosen may still tell such a one whether another is at the edge of the rule.
    """
    present = [member for member in members if member.n]
    return sound(present, least) and all(
        sound([*present[:at], *present[at + 1 :]], least) for at in range(len(present))
    )


Soundness = Callable[[Iterable[Member], int], bool]


def turn(value: str) -> bytes:
    """Whose turn it is to be hidden with others: an order that says nothing of how much is counted, always the same."""
    return blake2b(value.encode(), digest_size=8).digest()


@dataclass(frozen=True, slots=True)
class Table:
    """Counts by the cells of the hub (the dimensions that tell filters apart) and the values of one more dimension.

    `ordered`: the values are months that are released one after another: what was released stays, so only a later one
    can be hidden with an earlier.
    """

    counts: Mapping[tuple[tuple[str, ...], str], int]
    values: tuple[str, ...]
    soundness: Soundness = sound
    ordered: bool = False

    def vector(self, atom: Atom) -> dict[str, int]:
        """How many of an atom are at each value."""
        found = dict.fromkeys(self.values, 0)
        for (cell, value), n in self.counts.items():
            if cell in atom:
                found[value] += n
        return found


@dataclass(slots=True)
class Spoke:
    """Which values of one dimension are shown of each filter: filters are added one after another, never taken away.

    A later filter's blocks are unions of an earlier one's: so no mixture of their tables gives less than a block.
    """

    table: Table
    least: int
    atoms: list[Atom] = field(default_factory=list)
    partition: Partition = ()
    # Of months: those at the end that no block holds yet.
    open_values: Block = frozenset()

    def __post_init__(self) -> None:
        if not self.partition:
            self.partition = tuple(frozenset({value}) for value in self.table.values)

    def add(self, filtered: Atom, kept: Collection[str] = ()) -> Partition | None:
        """The blocks of a filter's table; None: none of it is shown, and it is as if it had not been added.

        Args:
            kept: values that are hidden whatever they count. Of months, blocks are closed ones only: `open_values` wait
                for a later month.
        """
        changed = split(self.atoms, filtered)
        vectors = [self.table.vector(atom) for atom in changed if atom not in self.atoms]
        if self.table.ordered:
            partition, waiting = self._one_after_another(vectors, kept)
        else:
            together = self._together(vectors, kept)
            if together is None:
                return None
            partition, waiting = together, frozenset()
        self.atoms, self.partition, self.open_values = changed, partition, waiting
        return partition

    def _holds(self, block: Block, vectors: Sequence[Mapping[str, int]], kept: Collection[str]) -> bool:
        return all(
            self.table.soundness([Member(vector[value], value in kept) for value in sorted(block)], self.least)
            for vector in vectors
        )

    def _together(self, vectors: Sequence[Mapping[str, int]], kept: Collection[str]) -> Partition | None:
        blocks = sorted(self.partition, key=lambda block: min(turn(value) for value in block))
        hidden = [block for block in blocks if not self._holds(block, vectors, kept)]
        if not hidden:
            return self.partition
        # Nothing is hidden by hiding what is empty.
        others = [
            block
            for block in blocks
            if block not in hidden and any(vector[value] for vector in vectors for value in block)
        ]
        merged = frozenset[str]().union(*hidden)
        while not self._holds(merged, vectors, kept):
            if not others:
                return None
            merged |= others.pop(0)
        return (merged, *(block for block in self.partition if not block <= merged))

    def _one_after_another(
        self, vectors: Sequence[Mapping[str, int]], kept: Collection[str]
    ) -> tuple[Partition, Block]:
        closed: list[Block] = []
        waiting = frozenset[str]()
        for block in self.partition:
            waiting |= block
            if self._holds(waiting, vectors, kept):
                closed.append(waiting)
                waiting = frozenset()
        return tuple(closed), waiting | self.open_values


def split(atoms: Sequence[Atom], filtered: Atom) -> list[Atom]:
    """The parts that a further set leaves of disjoint ones, and what of it lies in none."""
    parts = [part for atom in atoms for part in (atom & filtered, atom - filtered) if part]
    rest = filtered.difference(*atoms)
    return [*parts, rest] if rest else parts


@dataclass(slots=True)
class Hub:
    """Which filters are released at all, and by which of the dimensions that tell filters apart.

    Every set that can be worked out from what is released is a union of its atoms; none of them counts few.
    """

    counts: Mapping[tuple[str, ...], int]
    least: int
    atoms: list[Atom] = field(default_factory=list)
    _tables: list[Mapping[str, Atom]] = field(default_factory=list)

    def count(self, chosen: Collection[tuple[str, ...]]) -> int:
        """How many are in a set of cells."""
        return sum(n for cell, n in self.counts.items() if cell in chosen)

    def add(self, *sets: Atom) -> bool:
        """Release these; False, and nothing is released, where that would tell of few."""
        atoms = self.atoms
        for one in sets:
            atoms = split(atoms, one)
        if not all(map(self._safe, atoms)):
            return False
        self.atoms = atoms
        return True

    def _safe(self, atom: Atom) -> bool:
        if 0 < self.count(atom) < self.least:
            return False
        for table in self._tables:
            inside = [Member(self.count(cell)) for cell in table.values() if cell and cell <= atom]
            if len(inside) > 1 and not sound(inside, self.least):
                return False
        return True

    def add_table(self, cells: Mapping[str, Atom], kept: Collection[str] = ()) -> Partition | None:
        """Release a filter's table by one dimension. Out: its blocks; None where none of it can be released."""
        values = tuple(sorted(cells, key=turn))
        counts: dict[tuple[tuple[str, ...], str], int] = {
            ((value,), value): self.count(cells[value]) for value in values
        }
        partition = Spoke(Table(counts, values), self.least).add(frozenset((value,) for value in values), kept)
        self._tables.append(cells)
        while partition is not None:
            if self.add(*(Atom().union(*(cells[value] for value in block)) for block in partition)):
                return partition
            partition = self._coarser(partition, cells, kept)
        self._tables.pop()
        return None

    def _coarser(self, partition: Partition, cells: Mapping[str, Atom], kept: Collection[str]) -> Partition | None:
        """More values hidden with those that are, those whose turn it is; None where that hides all."""
        longest = max(partition, key=len, default=frozenset[str]())
        merged = longest if len(longest) > 1 else frozenset[str]()
        for block in sorted(partition, key=lambda one: min(map(turn, one))):
            if not block <= merged:
                merged |= block
                members = (Member(self.count(cells[value]), value in kept) for value in merged)
                if len(merged) > 1 and sound(members, self.least):
                    break
        left = tuple(one for one in partition if not one <= merged)
        return (merged, *left) if left else None
