"""Planning of reads: every span covered, no limit broken, and no fewer reads possible."""

from __future__ import annotations

from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.sources.modbus_plan import Limits, Read, Span, plan_reads, split_read

spans = st.builds(Span, st.sampled_from(["holding", "input"]), st.integers(0, 60), st.sampled_from([1, 1, 2, 4]))


@given(st.lists(spans, max_size=40), st.integers(4, 30), st.integers(0, 12))
def test_every_span_is_covered_within_the_limits(wanted, most, gap):
    reads = plan_reads(wanted, Limits(most, gap))
    assert sorted({span for read in reads for span in read.spans}) == sorted(set(wanted))
    assert sum(len(read.spans) for read in reads) == len(set(wanted)), "a span is asked for twice"
    for read in reads:
        assert read.count <= most
        used = {register for span in read.spans for register in range(span.start, span.end)}
        assert {span.table for span in read.spans} == {read.table}
        assert (min(used), max(used) + 1) == (read.start, read.end)
        idle = longest = 0
        for register in range(read.start, read.end):
            idle = 0 if register in used else idle + 1
            longest = max(longest, idle)
        assert longest <= gap


def fewest(wanted: frozenset[Span], most: int, gap: int) -> int:
    """The least number of reads, by trying every way to part the spans."""

    def one_read(part: frozenset[Span]) -> bool:
        end = start = min(span.start for span in part)
        for span in sorted(part, key=lambda s: s.start):
            if span.start - end > gap:
                return False
            end = max(end, span.end)
        return end - start <= most

    @lru_cache(None)
    def best(left: frozenset[Span]) -> int:
        if not left:
            return 0
        first, *others = sorted(left)
        found = len(left)
        for mask in range(1 << len(others)):
            part = frozenset([first, *(span for i, span in enumerate(others) if mask >> i & 1)])
            if one_read(part):
                found = min(found, 1 + best(left - part))
        return found

    return best(wanted)


@settings(max_examples=150, deadline=None)
@given(
    st.frozensets(st.builds(Span, st.just("holding"), st.integers(0, 24), st.sampled_from([1, 2, 4])), max_size=7),
    st.integers(4, 14),
    st.integers(0, 6),
)
def test_no_plan_needs_fewer_reads(wanted, most, gap):
    assert len(plan_reads(list(wanted), Limits(most, gap))) == fewest(wanted, most, gap)


def test_tables_have_their_own_limits():
    limits = Limits(max_registers=10, max_gap=0)
    assert limits.of("coil") == (160, 0)
    assert Limits(125, 4).of("discrete") == (2000, 64)
    reads = plan_reads([Span("coil", i, 1) for i in range(200)], limits)
    assert [read.count for read in reads] == [160, 40]


def test_a_value_longer_than_the_limit_is_an_error():
    with pytest.raises(ValueError, match="limit is 2"):
        plan_reads([Span("holding", 0, 4)], Limits(2, 0))


@given(st.lists(spans.filter(lambda s: s.table == "holding"), min_size=1, max_size=20))
def test_splitting_ends_at_single_spans_and_loses_none(wanted):
    (whole, *_) = plan_reads(wanted, Limits(100, 100))
    waiting: list[Read] = [whole]
    single = []
    while waiting:
        read = waiting.pop()
        parts = split_read(read)
        assert all(len(part.spans) < len(read.spans) or part.count < read.count for part in parts)
        assert all(read.start <= part.start and part.end <= read.end for part in parts)
        waiting += parts
        if not parts:
            single.append(read)
    assert sorted(span for read in single for span in read.spans) == sorted(whole.spans)
    assert all(len(read.spans) == 1 for read in single)


def test_a_read_with_gaps_is_first_cut_there():
    read = Read("holding", 0, 10, (Span("holding", 0, 2), Span("holding", 2, 1), Span("holding", 8, 2)))
    assert [(part.start, part.count) for part in split_read(read)] == [(0, 3), (8, 2)]
