from __future__ import annotations

import pytest

from workbench.model.time import parse_period
from workbench.reports.document import local_span


@pytest.mark.parametrize(
    ("period", "shown"),
    [
        ("2015", "1 January – 31 December 2015"),
        ("2015-06", "1 – 30 June 2015"),
        ("2015-06-03", "Wednesday, 3 June 2015"),
        ("2015-10-25", "Sunday, 25 October 2015"),  # 25 hours
        ("2015-06-03T06:00/2015-06-03T18:00", "3 June 2015, 06:00 – 18:00"),
        ("2015-12-30/2016-01-03", "30 December 2015 – 2 January 2016"),
        ("2015-05-20/2015-06-03", "20 May – 2 June 2015"),
    ],
)
def test_a_period_as_people_write_it(period, shown):
    assert local_span(*parse_period(period, "Europe/Paris"), "Europe/Paris") == shown
