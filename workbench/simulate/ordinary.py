"""Faults as any month brings them, for a past in which not all is well."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.simulate.faults import Fault
from workbench.simulate.noise import Floats, key_of, uniform

_DAY = 86_400 * 10**9


def ordinary_faults(assets: Mapping[str, str], seed: int, start: int, end: int) -> list[Fault]:
    """Faults as any month brings them, for a past in which not all is well.

    Outages of some hours (about one per machine and month), an order to curtail, a bearing that warms up
    over the last ten days, a vane out of line, dirty strings; a fuse, weak and shaded
    strings, an input and a tracker that stick, weak cells; modules are cleaned once. The same seed gives the same faults.

    Parameters
    ----------
    assets
        Asset to its type.
    start, end
        [ns since 1970 UTC] the time they fall into. The bearing and the dirt last beyond ``end``.
    """
    span = end - start
    found: list[Fault] = []

    def chance(name: str) -> Floats:
        return uniform(key_of(seed, f"ordinary/{name}"), np.arange(4))

    for asset, kind in assets.items():
        if kind not in ("wind_turbine", "inverter"):
            continue
        u = chance(asset)
        if u[0] < 0.6 * span / (30 * _DAY):
            begin = start + int(u[1] * 0.95 * span)
            hours = 1.0 + 13.0 * u[2] ** 2
            found.append(Fault("outage", asset, begin, begin + int(hours * 3600e9)))
    turbines = [asset for asset, kind in assets.items() if kind == "wind_turbine"]
    inverters = [asset for asset, kind in assets.items() if kind == "inverter"]
    meters = [asset for asset, kind in assets.items() if kind == "grid_meter"]
    u = chance("site " + " ".join(assets))
    found += _of_parts(assets, seed, start, end)
    if turbines and span > 12 * _DAY:
        hot, askew = (turbines[int(u[k] * len(turbines))] for k in (0, 1))
        found.append(Fault("hot_bearing", hot, end - 10 * _DAY, None, 22.0, ramp=12 * 86_400.0))
        begin = start + span // 4
        found.append(Fault("yaw_misalignment", askew, begin, begin + span // 3, 8.0))
    if inverters:
        found.append(Fault("soiled_string", inverters[int(u[2] * len(inverters))], start + span // 2, None, 0.06))
    if meters and span > 3 * _DAY:
        begin = end - 2 * _DAY - int(u[3] * _DAY)
        found.append(Fault("curtailment", meters[0], begin, begin + int(2.5 * 3600e9), 0.6))
    return found


def _of_parts(assets: Mapping[str, str], seed: int, start: int, end: int) -> list[Fault]:
    """Faults of strings, inputs, trackers and cells, and a cleaning of the modules."""
    span = end - start
    found: list[Fault] = []

    def some(kind: str, number: int) -> list[str]:
        """So many different assets of a kind, or none where there are too few."""
        ids = [asset for asset, one in assets.items() if one == kind]
        order = np.argsort(uniform(key_of(seed, f"ordinary/{kind}"), np.arange(len(ids))), kind="stable")
        return [ids[i] for i in order[:number]] if len(ids) >= 2 * number else []

    u = uniform(key_of(seed, "ordinary/parts"), np.arange(4))
    if strings := some("string", 3):
        opened, weak, shaded = strings
        found.append(Fault("open_string", opened, start + int((0.3 + 0.2 * u[0]) * span), None, 0.1))
        found.append(Fault("weak_string", weak, start, None, 0.10, ramp=span / 1e9))
        found.append(Fault("shaded_string", shaded, start, None, 0.7))
    if inputs := some("mppt", 1):
        begin = start + int((0.5 + 0.2 * u[1]) * span)
        found.append(Fault("stuck_mppt", inputs[0], begin, begin + span // 8, 650.0))
    if trackers := some("tracker", 1):
        found.append(Fault("stuck_tracker", trackers[0], end - min(span // 3, 3 * _DAY), None, float(20 - 40 * u[2])))
    if cells := some("battery_cell", 2):
        found.append(Fault("weak_cell", cells[0], start, None, 0.03))
        found.append(Fault("cell_resistance", cells[1], start, None, 0.6))
    meters = [asset for asset, kind in assets.items() if kind == "grid_meter"]
    if meters and "inverter" in assets.values() and span > 12 * _DAY:
        found.append(Fault("cleaning", meters[0], start + int((0.6 + 0.1 * u[3]) * span)))
    return found
