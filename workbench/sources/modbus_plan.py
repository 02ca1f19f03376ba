"""The fewest reads that cover a register map, within what a device answers at once. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.model.tags import ModbusMap, ModbusTable

#: Most coils or discrete inputs that one answer holds (Modbus Application Protocol 1.1b3, 6.1).
MOST_BITS = 2000


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """Registers (or coils) that belong together and must come in one read: a value."""

    table: ModbusTable
    start: int
    count: int

    @property
    def end(self) -> int:
        """One past the last register."""
        return self.start + self.count


@dataclass(frozen=True)
class Read:
    """One request: ``count`` registers of ``table`` from ``start``, and the spans it answers."""

    table: ModbusTable
    start: int
    count: int
    spans: tuple[Span, ...]

    @property
    def end(self) -> int:
        """One past the last register."""
        return self.start + self.count


@dataclass(frozen=True)
class Limits:
    """What a device answers at once, and how many unused registers are worth reading over."""

    max_registers: int = 125
    max_gap: int = 16

    def of(self, table: ModbusTable) -> tuple[int, int]:
        """Most registers in a read of ``table``, and the widest gap to read over."""
        if table in ("coil", "discrete"):
            return min(MOST_BITS, 16 * self.max_registers), 16 * self.max_gap
        return self.max_registers, self.max_gap

    @classmethod
    def from_map(cls, tags: ModbusMap) -> Limits:
        """The limits a register map states."""
        return cls(tags.max_registers, tags.max_gap)


def plan_reads(spans: Sequence[Span], limits: Limits) -> list[Read]:
    """The fewest reads that cover ``spans``, in the order of tables and registers.

    Every span lies whole in one read, no read is longer than its table's limit, and no read runs over more
    than the allowed gap of unused registers. Spans may overlap and repeat (bits of one register).

    Notes
    -----
    Some read must start at or before the first span not yet covered; starting exactly there lets it reach
    furthest, so taking every span that fits is optimal (the greedy argument for covering points by
    intervals of one length).

    Raises
    ------
    ValueError
        A span is longer than the limit.
    """
    reads: list[Read] = []
    for table in sorted({span.table for span in spans}):
        most, gap = limits.of(table)
        waiting = sorted({span for span in spans if span.table == table}, key=lambda s: (s.start, s.end))
        while waiting:
            start = waiting[0].start
            end = start
            taken: list[Span] = []
            left: list[Span] = []
            for span in waiting:
                if span.count > most:
                    raise ValueError(f"a value of {span.count} registers at {span.start}: the limit is {most}")
                if span.end - start <= most and (not taken or span.start - end <= gap):
                    taken.append(span)
                    end = max(end, span.end)
                else:
                    left.append(span)
            reads.append(Read(table, start, end - start, tuple(taken)))
            waiting = left
    return reads


def split_read(read: Read) -> list[Read]:
    """Smaller reads for one that the device refused; none where it holds a single span.

    Registers between the spans may be what it refused, so a read with gaps is first cut at its gaps; one
    without is halved.
    """
    if len(read.spans) < 2:
        return []
    parts: list[list[Span]] = []
    end = read.start
    for span in read.spans:
        if not parts or span.start > end:
            parts.append([])
        parts[-1].append(span)
        end = max(end, span.end)
    if len(parts) == 1:
        half = len(read.spans) // 2
        parts = [list(read.spans[:half]), list(read.spans[half:])]
    return [_read(part) for part in parts]


def _read(spans: Sequence[Span]) -> Read:
    start = min(span.start for span in spans)
    return Read(spans[0].table, start, max(span.end for span in spans) - start, tuple(spans))
