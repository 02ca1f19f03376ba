"""Quality of solar data beside pvanalytics: the labelled sets, daylight saving, faults put into real records, and the cost.

Of each labelled set precision and recall of the whole, and of its second half with its number of labels. No part is held out: the labels
and these real records were looked at while the methods were made, so that the figures say what the methods can do on them, not what
they do on records never seen. The faults put into real records (stuck values and lines over 2 to 10 hours, strays) are drawn anew.
What they do on records never seen is told of ``_labelled_records``: settings were fixed on its seeds 0 to 59, here are others.
The rival is pvanalytics on the same values, in the settings of its own examples, where ``WORKBENCH_PVANALYTICS_PYTHON`` names a
Python that has it (it does not work beside pandas 3).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks._labelled_records import record
from benchmarks.figures import Cost, Figure, peak_memory_mb
from workbench.analytics.solar import (
    clipped_values,
    interpolated_values,
    level_shifts,
    outlier_values,
    solar_clock_shifts,
    solar_data_quality,
    stale_values,
)
from workbench.steps import remarks

FOLDER = (
    Path(os.environ.get("WORKBENCH_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "solar" / "pvanalytics"
)
SETS = {
    "stale": ("ac_power_inv_2173_stale_data.csv", "stale_data_mask", stale_values, 0.95, 0.98),
    "interpolated": (
        "ac_power_inv_2173_interpolated_data.csv",
        "interpolated_data_mask",
        interpolated_values,
        0.90,
        0.98,
    ),
    "clipping": ("ac_power_inv_7539.csv", "label", clipped_values, 0.95, 1.0),
    "outliers": ("ac_power_inv_7539_outliers.csv", "outlier", outlier_values, None, None),
}
#: Of the United States, UTC; the record keeps them although its zone is UTC-7.
CHANGES = ["2011-11-06 08:00", "2012-03-11 09:00", "2012-11-04 08:00", "2013-03-10 09:00", "2013-11-03 08:00"]
F1 = 0.91
#: Of the records made.
UNSEEN = range(20_264, 20_304)
YEAR, INVERTERS = 35_040, 500

#: Reads {name: csv} of single columns, prints {name: [flagged rows]}.
SCRIPT = """
import json, sys
import pandas as pd
from pvanalytics.quality import data_shifts, gaps, outliers
from pvanalytics.features.clipping import geometric
kinds = {
    "stale": lambda s: gaps.stale_values_diff(s),
    "interpolated": lambda s: gaps.interpolation_diff(s),
    "clipping": lambda s: geometric(ac_power=s, freq="15min"),
    "outliers": lambda s: outliers.hampel(data=s, window=10),
    "outliers, Tukey": lambda s: outliers.tukey(data=s, k=0.5),
    "shift": lambda s: data_shifts.detect_data_shifts(s),
}
out = {}
for name, path in json.load(sys.stdin).items():
    kind = name.split(":")[0]
    s = pd.read_csv(path, index_col=0, parse_dates=True).iloc[:, 0]
    try:
        mask = kinds[kind](s).reindex(s.index).fillna(False).astype(bool)
        out[name] = [int(k) for k in mask.to_numpy().nonzero()[0]]
    except Exception as error:
        out[name] = repr(error)
print(json.dumps(out))
"""


def figures() -> Iterator[Figure]:
    labelled, faults = {kind: read(kind) for kind in SETS}, injected()
    series = {kind: data for kind, (data, _) in labelled.items()}
    series |= {f"outliers, Tukey:{kind}": data for kind, data in series.items() if kind == "outliers"}
    series |= {f"{kind}:{place}": data for kind, place, data, _ in faults}
    series["shift"], shift = read_shift()
    theirs = rival(series)
    for kind, (_, _, find, precision, recall) in SETS.items():
        data, truth = labelled[kind]
        found = find(data).values[:, 0]
        half = len(truth) // 2
        p, r = scores(found, truth)
        parts = f"second half {text(scores(found[half:], truth[half:]))} of {truth[half:].sum()} labels"
        other = theirs.get(kind)
        if precision is None:
            other = max((theirs.get(name) for name in ("outliers", "outliers, Tukey:outliers")), key=f1_of(truth))
            yield Figure(
                f"{kind}: F1", f1(p, r), "1", F1, "more", "pvanalytics",
                None if other is None else f1(*scores(other, truth)), f"precision, recall {text((p, r))}; {parts}",
            )  # fmt: skip
            continue
        rivals = (None, None) if other is None else scores(other, truth)
        yield Figure(f"{kind}: precision", p, "1", precision, "more", "pvanalytics", rivals[0], parts)
        yield Figure(f"{kind}: recall", r, "1", recall, "more", "pvanalytics", rivals[1], f"{truth.sum()} labels")
    yield from clock()
    for kind, place, data, truth in faults:
        find = SETS[kind][2]
        p, r = scores(find(data).values[:, 0], truth)
        other = theirs.get(f"{kind}:{place}")
        beside = None if other is None else f1(*scores(other, truth))
        note = f"precision, recall {text((p, r))}, {truth.sum()} values"
        yield Figure(f"{kind}, put into {place}: F1", f1(p, r), "1", None, "more", "pvanalytics", beside, note)
    yield from shifts(series["shift"], shift, theirs.get("shift"))
    yield from unseen()
    yield from fleet()


def read(kind: str) -> tuple[xr.Dataset, np.ndarray]:
    name, column = SETS[kind][:2]
    table = pd.read_csv(FOLDER / name, index_col=0)
    table.index = pd.to_datetime(table.index, utc=True)
    return as_data(table["value_normalized"]), table[column].astype(bool).to_numpy()


def read_shift() -> tuple[xr.Dataset, np.ndarray]:
    table = pd.read_csv(FOLDER / "pvlib_data_shift.csv", index_col=0)
    table.index = pd.to_datetime(table.index, utc=True)
    return as_data(table["value"]), table["label"].astype(bool).to_numpy()


def shifts(data: xr.Dataset, truth: np.ndarray, other: np.ndarray | None) -> Iterator[Figure]:
    """The labelled step of daily energy: how far off it is dated, and how many are told that are none."""
    days = data["time"].values.astype("datetime64[D]").astype(np.int64)
    found = level_shifts(data)["start"].to_numpy()[1:].astype("datetime64[D]").astype(np.int64)
    told = [found] + ([] if other is None else [days[other]])
    off = [float(np.abs(one - days[truth][0]).min(initial=9999)) for one in told] + [None]
    more = [float(max(len(one) - 1, 0)) for one in told] + [None]
    yield Figure("shift: off its day", off[0] or 0.0, "days", None, "less", "pvanalytics", off[1], "one label")
    yield Figure("shift: steps that are none", more[0] or 0.0, "1", None, "less", "pvanalytics", more[1])


def unseen() -> Iterator[Figure]:
    """Records made anew, by kind of fault: all values together, and in how many records the targets are met."""
    for kind, (_, _, find, precision, recall) in SETS.items():
        total, met = np.zeros(3), 0
        for seed in UNSEEN:
            one = record(seed, kind)
            found, truth = find(one.data).values[:, 0] & ~one.doubt, one.truth & ~one.doubt
            p, r = scores(found, truth)
            met += f1(p, r) >= F1 if precision is None else p >= precision and r >= recall
            total += [(found & truth).sum(), found.sum(), truth.sum()]
        p, r = total[0] / max(total[1], 1.0), total[0] / total[2]
        note = f"targets met in {met} of {len(UNSEEN)} records; {total[2]:.0f} values"
        yield Figure(f"{kind}, records never seen: precision", p, "1", None, "more", note=note)
        yield Figure(f"{kind}, records never seen: recall", r, "1", None, "more")


def as_data(series: pd.Series[float], **coords: float) -> xr.Dataset:
    index = pd.DatetimeIndex(series.index)
    times = (index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index).as_unit("ns")
    return xr.Dataset(
        {"total_ac_power": (("time", "asset"), series.to_numpy(dtype=float).copy()[:, None])},
        coords={"time": times.to_numpy(), "asset": ["A"], **{k: ("asset", [v]) for k, v in coords.items()}},
    )


def system_50() -> pd.Series[float]:
    table = pd.read_parquet(FOLDER / "system_50_ac_power_2_full_DST.parquet")
    return pd.Series(table["ac_power_2"].to_numpy(dtype=float), index=pd.DatetimeIndex(table["measured_on"]))


def records() -> dict[str, pd.Series[float]]:
    """Real records without labels."""
    serf = pd.read_csv(FOLDER / "serf_east_15min_ac_power.csv")
    trio = pd.read_csv(FOLDER.parent / "inverters" / "ZT162185000441C1203.csv.gz")
    newcastle = pd.read_parquet(FOLDER.parent / "newcastle24h" / "processed.parquet")
    found = {
        "SERF East, 15 min": pd.Series(
            serf["ac_power"].to_numpy(), index=pd.to_datetime(serf["measured_on"], utc=True)
        ),
        "PVDAQ 50, 15 min": system_50().iloc[:35_000],
        "TRIO, 5 min, no nights": pd.Series(trio["meas_val_f"].to_numpy(), index=pd.to_datetime(trio["ts"])),
        "Newcastle, 1 h": pd.Series(newcastle["pv"].to_numpy(), index=pd.DatetimeIndex(newcastle.index.floor("h"))),
    }
    return {name: one[~one.index.duplicated()].sort_index() for name, one in found.items()}


def injected() -> list[tuple[str, str, xr.Dataset, np.ndarray]]:
    rng = np.random.default_rng(11)
    found = []
    for place, series in records().items():
        clean = series.to_numpy(dtype=float)
        top = np.nanquantile(clean, 0.99)
        hour = max(1.0, 3.6e12 / float(np.median(np.diff(pd.DatetimeIndex(series.index).as_unit("ns").asi8))))
        bright = np.flatnonzero(clean > 0.1 * top)
        bright = bright[(bright > 50) & (bright < len(clean) - 500)]
        for kind in ("stale", "interpolated", "outliers"):
            values, truth = clean.copy(), np.zeros(len(clean), bool)
            for first in rng.choice(bright, len(bright) // 200 + 5, replace=False):
                stop = first + max(6, int(rng.uniform(2, 10) * hour))
                if truth[first - 5 : stop + 5].any() or np.isnan(clean[[first, stop]]).any():
                    continue
                if kind == "stale":
                    values[first:stop], truth[first:stop] = clean[first], True
                elif kind == "interpolated":
                    inside = np.arange(first + 1, stop)
                    values[inside], truth[inside] = np.interp(inside, [first, stop], clean[[first, stop]]), True
                else:
                    stray = (
                        rng.uniform(-0.6, -0.1) if rng.random() < 0.5 else clean[first] / top + rng.uniform(0.5, 1.5)
                    )
                    values[first], truth[first] = stray * top, True
            found.append((kind, place, as_data(pd.Series(values, index=series.index)), truth))
    return found


def clock() -> Iterator[Figure]:
    data = as_data(system_50(), latitude=39.7406, longitude=-105.1775)
    table = solar_clock_shifts(data)
    starts = [pd.Timestamp(one) for one in table["start"].to_list()[1:]]
    days = [min((abs(one - pd.Timestamp(true)) for one in starts), default=pd.Timedelta(days=999)) for true in CHANGES]
    worst = max(days) / pd.Timedelta(days=1)
    note = f"{len(starts)} found, {len(CHANGES)} there; no zone given"
    yield Figure("PVDAQ 50: daylight-saving transitions, worst date", worst, "days", 2.0, note=note)
    yield Figure("PVDAQ 50: transitions that are none", max(0, len(starts) - len(CHANGES)), "1", 0.0)


def fleet() -> Iterator[Figure]:
    base = system_50().to_numpy()[-YEAR:]
    factors = np.random.default_rng(1).uniform(0.8, 1.2, INVERTERS)
    data = xr.Dataset(
        {"total_ac_power": (("time", "asset"), (base[:, None] * factors).astype(np.float32))},
        coords={
            "time": pd.date_range("2020-01-01", periods=YEAR, freq="15min", unit="ns").to_numpy(),
            "asset": [f"I{k:03d}" for k in range(INVERTERS)],
        },
    )
    with remarks(), Cost() as cost:
        solar_data_quality(data)
    yield Figure("solar_data_quality, 500 inverters, a year of 15 min", cost.cpu, "s CPU", None)
    yield Figure("memory of it", peak_memory_mb(), "MB", 6000.0)


def scores(found: Any, truth: np.ndarray) -> tuple[float, float]:
    """Precision and recall; 1 where there is nothing to find, and nothing is."""
    hits = float((found & truth).sum())
    flagged, there = float(found.sum()), float(truth.sum())
    return (hits / flagged if flagged else 1.0), (hits / there if there else 1.0)


def f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def f1_of(truth: np.ndarray) -> Any:
    return lambda found: -1.0 if found is None else f1(*scores(found, truth))


def text(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.3f}/{pair[1]:.3f}"


def rival(series: dict[str, xr.Dataset]) -> dict[str, np.ndarray]:
    """What pvanalytics flags; nothing where there is none to run."""
    import tempfile

    python = os.environ.get("WORKBENCH_PVANALYTICS_PYTHON")
    if not python:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for number, (name, data) in enumerate(series.items()):
            paths[name] = str(Path(folder) / f"{number}.csv")
            data["total_ac_power"].isel(asset=0, drop=True).to_series().to_csv(paths[name])
        done = subprocess.run(
            [python, "-W", "ignore", "-c", SCRIPT],
            input=json.dumps(paths),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        name: np.isin(np.arange(series[name].sizes["time"]), rows)
        for name, rows in found.items()
        if not isinstance(rows, str)  # what it says where it fails
    }


if __name__ == "__main__":
    for figure in figures():
        print(figure)
