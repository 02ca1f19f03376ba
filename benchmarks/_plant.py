"""A store that lives, a process of its own: ``python -m benchmarks._plant STORE`` appends a second of samples each second."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import orjson
import xarray as xr

from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.model.vocabulary import vocabulary
from workbench.store import SiteStore

Kinds = dict[str, tuple[list[str], dict[str, float]]]
FLEET: dict[str, Kinds] = {
    "north_ridge": {
        "wind_turbine": ([f"NR-T{i:02d}" for i in range(1, 7)], {"power_output": 1500.0, "wind_speed": 8.5, "wind_direction": 240.0, "gearbox_oil_temp": 58.0, "energy_production_today": 9000.0}),
        "grid_meter": (["NR-GRID"], {"active_power": 8000.0, "grid_frequency": 60.0}),
        "met_mast": (["NR-MAST"], {"wind_speed": 8.7, "wind_direction": 241.0, "temperature": 11.0}),
    },
    "sun_valley": {
        "inverter": ([f"SV-INV{i:02d}" for i in range(1, 9)], {"total_ac_power": 500.0, "energy_today": 2000.0}),
        "irradiance_sensor": (["SV-PYR01"], {"irradiance_poa": 640.0, "module_temperature": 35.0}),
        "battery": (["SV-BESS"], {"active_power": -300.0, "state_of_charge": 55.0}),
    },
}  # fmt: skip


def values(base: dict[str, float], assets: int, second: int) -> np.ndarray:
    """Each asset a little different, and each second anew."""
    shift = 1 + 0.05 * np.sin(second / 7 + np.arange(assets))
    return np.asarray(shift[:, None] * np.array(list(base.values()))[None, :])


def append(stores: dict[str, SiteStore], second: int) -> None:
    for site, kinds in FLEET.items():
        for kind, (assets, base) in kinds.items():
            shape = Shape(SeriesKey(kind, "1s"), tuple(base), tuple(vocabulary()[name].dtype for name in base))
            n = len(assets)
            stamp = np.full(n, second * NS, np.int64)
            rows = values(base, n, second)
            order, ones = np.arange(n, dtype=np.int32), np.ones(n, np.uint16)
            stores[site].journal.append([Batch(shape, tuple(assets), stamp, order, stamp, stamp, ones, rows)])
        health(stores[site].folder, kinds, second)


def health(folder: Path, kinds: Kinds, second: int) -> None:
    device = {
        "state": "ok", "last_time": second * NS, "last_received": second * NS, "samples": second, "values": 10 * second,
        "bad": 0, "errors": 0, "last_error": "", "reconnects": 0,
    }  # fmt: skip
    sources = {
        kind: {"protocol": "modbus", "series": f"{kind}/1s", "devices": dict.fromkeys(assets, device)}
        for kind, (assets, _) in kinds.items()
    }
    collector = {"pid": 1, "started": second * NS, "values_per_s": 100.0, "waiting": 0, "values": 1, "late": 0}
    draft = folder / "health.tmp"
    draft.write_bytes(orjson.dumps({"time": time.time_ns(), "collector": collector, "sources": sources}))
    draft.replace(folder / "health.json")


def past(stores: dict[str, SiteStore]) -> None:
    """A day of statistics and a minute of samples."""
    end = int(time.time()) // 600 * 600
    times = ((end - 600 * np.arange(150, 0, -1)) * NS).astype("datetime64[ns]")
    for site, kinds in FLEET.items():
        for kind, (assets, base) in kinds.items():
            table = np.stack([values(base, len(assets), 600 * i) for i in range(times.size)])
            data = xr.Dataset(
                {name: (("time", "asset"), table[:, :, i]) for i, name in enumerate(base)},
                coords={"time": times, "asset": assets},
            )
            stores[site].import_dataset(SeriesKey(kind, "10min"), data)
    for second in range(int(time.time()) - 60, int(time.time())):
        append(stores, second)


def main(root: Path) -> None:
    stores = {site: SiteStore(root, site) for site in FLEET}
    past(stores)
    print("lives", flush=True)
    while True:
        time.sleep(1.0 - time.time() % 1.0)
        append(stores, int(time.time()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
