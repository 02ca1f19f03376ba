"""How long states of the store are kept: all of the last day, then one a day, then none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from workbench.model.samples import NS

if TYPE_CHECKING:
    import icechunk

    from workbench.store.site import SiteStore

#: Tags of the snapshots that are kept one a day are ``day-2026-01-31``.
TAG = "day-"
_DAY = 86_400 * NS
_NOTE = "retention"


@dataclass(frozen=True)
class Retention:
    """How long snapshots are kept.

    ``all_hours``: every snapshot at least so long after the next one took its place, which is how long an
    opened Dataset stays readable; ``days``: the last snapshot of each day; ``hour``: when at night [h UTC] it
    is tidied up.
    """

    all_hours: float = 24.0
    days: int = 60
    hour: int = 2


def retain(site: SiteStore, retention: Retention, *, now: int, force: bool = False) -> tuple[int, int]:
    """Once a night, expire snapshots and collect their files; returns snapshots expired and bytes freed.

    Parameters
    ----------
    now
        The clock [ns since 1970 UTC].
    force
        Whether to do it whatever the hour.
    """
    night = (now - retention.hour * 3_600 * NS) // _DAY
    if not force:
        with site.journal.view() as journal:
            last = journal.meta(_NOTE)
        if last is None:  # the first night is the next one
            site.journal.append([], meta={_NOTE: night})
            return 0, 0
        if night == last:  # one that is yet to come was noted by a clock that was ahead
            return 0, 0
    from workbench.store.telemetry import BRANCH

    repository = site.telemetry.repository()
    if repository is None:
        return 0, 0
    with site.telemetry.committing(wait=60.0):
        today = datetime.fromtimestamp(now / NS, UTC)
        _tag_days(repository, today, retention.days)
        older = today - timedelta(hours=retention.all_hours)
        # The one that was the newest at that time has been readable by its name until later: it stays.
        written = [one.written_at for one in repository.ancestry(branch=BRANCH)]
        oldest = max((when for when in written if when <= older), default=older)
        expired = repository.expire_snapshots(older_than=oldest)
        collected = repository.garbage_collect(older).bytes_deleted if expired else 0
    site.journal.append([], meta={_NOTE: night})
    return len(expired), int(collected)


def _tag_days(repository: icechunk.Repository, today: datetime, days: int) -> None:
    """Tag the last snapshot of each finished day, and drop the tags that are too old."""
    from workbench.store.telemetry import BRANCH

    tags = repository.list_tags()
    oldest = f"{TAG}{today - timedelta(days=days):%Y-%m-%d}"
    for tag in tags:
        if tag.startswith(TAG) and tag < oldest:
            repository.delete_tag(tag)
    done = set()
    for snapshot in repository.ancestry(branch=BRANCH):  # the newest first
        tag = f"{TAG}{snapshot.written_at.astimezone(UTC):%Y-%m-%d}"
        if tag not in done and tag not in tags and oldest <= tag < f"{TAG}{today:%Y-%m-%d}":
            repository.create_tag(tag, snapshot.id)
        done.add(tag)
