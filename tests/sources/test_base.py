"""What all sources share."""

from __future__ import annotations

from workbench.sources.base import backoff


def test_a_device_is_asked_again_within_ten_seconds_however_long_it_was_away():
    pauses = [[backoff(attempt) for _ in range(200)] for attempt in (1, 2, 5, 1000, 10_000)]
    assert max(map(max, pauses)) <= 9.0  # of ten seconds one is left to connect, to ask and to store
    assert min(pauses[0]) >= 0.3
    assert sum(pauses[1]) > 1.5 * sum(pauses[0])
    # jittered: a hundred devices that went down together do not come back in step
    assert all(max(tries) > 1.3 * min(tries) for tries in pauses)
