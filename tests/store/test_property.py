"""Whatever happens in whatever order, the Dataset is what a plain dictionary says it is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.model.quality import Quality
from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.store import Keeper, LiveRing, SiteStore
from workbench.store.commit import commit_chunks

KEY = SeriesKey("wind_turbine", "1s")
T0 = 472_222 * 3_600 * NS
WIDTH = {"power_output": "f4", "wind_direction": "f4", "operating_state": "f4", "energy_production_lifetime": "f8"}
SHAPES = [
    ("power_output", "wind_direction", "operating_state", "energy_production_lifetime"),
    ("power_output", "energy_production_lifetime"),
    ("wind_direction", "unheard_of"),
]
ASSETS = ("A", "B", "C")


@dataclass
class Oracle:
    """The store as a dictionary."""

    cells: dict = field(default_factory=dict)  # (slot, asset, variable) -> value, quality
    counts: dict = field(default_factory=dict)

    def take(self, slot, asset, count, values, replace=False):
        total = 0 if replace else self.counts.get((slot, asset), 0)
        self.counts[slot, asset] = min(total + count, 65_535)
        for name, (value, quality) in values.items():
            if replace or not np.isnan(value) or quality:
                self.cells[slot, asset, name] = value, quality

    def check(self, data: xr.Dataset):
        slots = [slot for slot, _ in self.counts]
        times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
        first, last = min(slots), max(slots)
        np.testing.assert_array_equal(times, np.arange(first, last + 1, NS))
        place = {name: i for i, name in enumerate(map(str, data["asset"].values))}
        assert set(place) == {asset for _, asset in self.counts}
        expected = np.zeros(data["sample_count"].shape, np.uint16)
        for (slot, asset), count in self.counts.items():
            expected[(slot - first) // NS, place[asset]] = count
        np.testing.assert_array_equal(data["sample_count"].values, expected)
        for name in {name for *_, name in self.cells}:
            values = np.full(expected.shape, np.nan, data[name].dtype)
            quality = np.zeros(expected.shape, np.uint16)
            for (slot, asset, variable), (value, flag) in self.cells.items():
                if variable == name:
                    at = (slot - first) // NS, place[asset]
                    values[at], quality[at] = value, flag
            np.testing.assert_array_equal(data[name].values, values, err_msg=name)
            np.testing.assert_array_equal(data[f"{name}_quality"].values, quality, err_msg=name)


values = st.one_of(st.just(float("nan")), st.integers(-50, 400).map(lambda n: n / 8))
flags = st.sampled_from([0, 0, 0, 0, int(Quality.BAD), int(Quality.INVALID), int(Quality.UNCERTAIN)])
# Some slots in each of three hours and around their borders, so that samples meet.
offsets = st.one_of(st.integers(0, 4), st.integers(598, 602), st.integers(3597, 3602), st.integers(7198, 7203))


@st.composite
def batches(draw, low=0):
    variables = draw(st.sampled_from(SHAPES))
    n = draw(st.integers(1, 6))
    assets = draw(st.permutations(ASSETS))[: draw(st.integers(1, 3))]
    time = np.array([T0 + low * NS + draw(offsets) * NS + draw(st.integers(0, NS - 1)) for _ in range(n)], np.int64)
    flagged = draw(st.booleans())
    shape = (n, len(variables))
    return Batch(
        Shape(KEY, variables, tuple(WIDTH.get(name, "f4") for name in variables)),
        tuple(assets),
        time - time % NS,
        np.array([draw(st.integers(0, len(assets) - 1)) for _ in range(n)], np.int32),
        time,
        time,
        np.array([draw(st.sampled_from([1, 1, 2, 40_000])) for _ in range(n)], np.uint16),
        np.array([draw(values) for _ in range(n * len(variables))]).reshape(shape),
        np.array([draw(flags) for _ in range(n * len(variables))], np.uint16).reshape(shape) if flagged else None,
        replace=draw(st.integers(0, 5)) == 0,
    )


actions = st.one_of(
    st.tuples(st.just("append"), st.lists(batches(), min_size=1, max_size=3)),
    st.tuples(st.just("append"), st.lists(batches(low=-7200), min_size=1, max_size=1)),
    st.tuples(st.just("step"), st.sampled_from([0, 20, 400, 3_700, 8_000])),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("die after commit"), st.none()),
    st.tuples(st.just("import"), batches()),
    st.tuples(st.just("look"), st.none()),
)
numbers = itertools.count()


def _take(oracle, batch):
    for i in range(len(batch)):
        flags = batch.quality[i] if batch.quality is not None else np.zeros(batch.values.shape[1], int)
        sent = dict(zip(batch.shape.variables, zip(batch.values[i], map(int, flags), strict=True), strict=True))
        oracle.take(int(batch.slot[i]), batch.assets[batch.asset[i]], int(batch.count[i]), sent, batch.replace)


def _distinct(story):
    """Give every sample an instant of its own: one that is delivered twice counts once, which has its own tests."""
    given = [what if action == "append" else [what] for action, what in story if action in ("append", "import")]
    number = itertools.count()
    for batch in itertools.chain.from_iterable(given):
        for row in range(len(batch)):
            batch.time[row] += next(number) % 1_000 - batch.time[row] % 1_000


def _brute(data, name, start):
    """Statistics of ten minutes by the plainest means."""
    part = data.sel(time=slice(np.datetime64(start, "ns"), np.datetime64(start + 600 * NS - 1, "ns")))
    found = {}
    for asset in map(str, data["asset"].values):
        x = part[name].sel(asset=asset).values.astype(float)
        bad = part[f"{name}_quality"].sel(asset=asset).values & int(Quality.BAD | Quality.INVALID)
        samples = int(part["sample_count"].sel(asset=asset).values.astype(int).sum())
        found[asset] = x[~np.isnan(x) & (bad == 0)], samples
    return found


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(story=st.lists(actions, min_size=1, max_size=10))
def test_any_story_gives_the_same_dataset(tmp_path, story):
    _distinct(story)
    site = SiteStore(tmp_path / str(next(numbers)), "ridge")
    now = [T0 + 3_000 * NS]
    keeper = Keeper(site, now=lambda: now[0], late_every=0)
    oracle = Oracle()
    ring = LiveRing(site, seconds=9_000)

    def look():
        if oracle.counts:
            oracle.check(site.open(KEY).load())

    for action, what in story:
        if action == "append":
            site.journal.append(what)
            for batch in what:
                _take(oracle, batch)
        elif action == "import":
            # What waits in the journal lies on top of an import: let the store have it first.
            now[0] += 20_000 * NS
            keeper.step()
            ring.poll()
            _import(site, oracle, what)
            ring.load()
        elif action == "step":
            now[0] += what * NS
            keeper.step()
        elif action == "restart":
            keeper.close()
            site.close()
            site = SiteStore(site.root, site.site)
            keeper = Keeper(site, now=lambda: now[0], late_every=0)
            ring = LiveRing(site, seconds=9_000)
        elif action == "die after commit":
            with site.view() as view:
                open_chunks = [chunk.chunk for chunk in view.series(KEY).tail]
            if open_chunks:
                commit_chunks(site, {KEY: open_chunks})
        else:
            look()
            ring.poll()
    look()
    assert site.verify() == []
    if not oracle.counts:
        return
    _check_ring(site, ring)
    now[0] += 20_000 * NS
    keeper.step()
    look()
    if any(oracle.counts.values()):
        _check_statistics(site)
    now[0] += 20_000 * NS
    assert keeper.step().periods == 0
    with site.view() as view:
        assert view.series(KEY).tail == ()
    assert site.journal.since(0, [KEY]) == []
    look()
    assert site.verify() == []
    keeper.close()
    site.close()


def _import(site, oracle, batch):
    """Import what a batch holds, as a Dataset of its rows."""
    names = batch.shape.variables
    order = np.argsort(batch.slot, kind="stable")
    assets = sorted({batch.assets[i] for i in batch.asset})
    shape = (len(order), len(assets))
    values = {name: np.full(shape, np.nan, WIDTH.get(name, "f4")) for name in names}
    quality = {name: np.zeros(shape, np.uint16) for name in names}
    for row, i in enumerate(order):
        column = assets.index(batch.assets[batch.asset[i]])
        for j, name in enumerate(names):
            values[name][row, column] = batch.values[i, j]
            if batch.quality is not None:
                quality[name][row, column] = batch.quality[i, j]
    data = xr.Dataset(
        {name: (("time", "asset"), values[name]) for name in names}
        | {f"{name}_quality": (("time", "asset"), quality[name]) for name in names},
        coords={"time": batch.slot[order].view("datetime64[ns]"), "asset": assets},
    )
    for _ in range(2):  # a second time changes nothing
        assert site.import_dataset(KEY, data).slots == len(order)
    together = {}
    for i in order:
        slot, asset = int(batch.slot[i]), batch.assets[batch.asset[i]]
        flags = batch.quality[i] if batch.quality is not None else np.zeros(len(names), int)
        sent = {
            name: (value, int(flag))
            for name, value, flag in zip(names, batch.values[i], flags, strict=True)
            if not np.isnan(value) or flag
        }
        # An import that has nothing of an asset at a time does not say there was a sample.
        if sent:
            together[slot, asset] = together.get((slot, asset), 0) + 1
            oracle.take(slot, asset, together[slot, asset], {}, replace=True)
            for name, cell in sent.items():
                oracle.cells[slot, asset, name] = cell
    _extend(oracle, batch, assets)


def _extend(oracle, batch, assets):
    """Slots and assets an import names exist, sample or not."""
    first = assets[0]
    for slot in (int(batch.slot.min()), int(batch.slot.max())):
        oracle.counts.setdefault((slot, first), 0)
    for asset in assets:
        oracle.counts.setdefault((int(batch.slot.min()), asset), 0)


def _check_ring(site, ring):
    ring.poll()
    whole = site.open(KEY).load()
    live = ring.dataset(KEY)
    whole = whole.reindex(time=live["time"].values, asset=live["asset"].values)
    for name in map(str, live.data_vars):
        expected = whole[name].values
        if live[name].dtype.kind == "u":
            expected = np.nan_to_num(expected)
        np.testing.assert_array_equal(live[name].values, expected, err_msg=name)


def _check_statistics(site):
    data = site.open(KEY).load()
    found = site.open(SeriesKey("wind_turbine", "10min")).load()
    starts = {slot - slot % (600 * NS) for slot in data["time"].values.astype("datetime64[ns]").astype(int).tolist()}
    for start in sorted(starts):
        if (
            not data["sample_count"]
            .sel(time=slice(np.datetime64(start, "ns"), np.datetime64(start + 600 * NS - 1, "ns")))
            .any()
        ):
            continue
        at = found.sel(time=np.datetime64(start, "ns"))
        for name in ("power_output", "operating_state"):
            if name not in data:
                continue
            for asset, (x, samples) in _brute(data, name, start).items():
                if not samples:
                    continue
                got = at.sel(asset=asset)
                assert int(got["sample_count"]) == min(samples, 65_535)
                # A variable that turned up later has no count in periods closed before.
                assert np.nan_to_num(float(got[f"{name}_count"])) == len(x)
                if not len(x):
                    assert np.isnan(float(got[name]))
                elif name == "operating_state":
                    assert float(got[name]) == pytest.approx(x[-1])
                else:
                    expected = [x.mean(), x.min(), x.max(), x.std()]
                    names = [name, f"{name}_min", f"{name}_max", f"{name}_std"]
                    assert [float(got[n]) for n in names] == pytest.approx(expected, rel=1e-5, abs=1e-5)
