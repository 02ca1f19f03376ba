"""Usable energy: whole discharges found in operation, or a test on purpose, held against what was promised [1]_.

References
----------
.. [1] IEC 62933-2-1:2017, 5.2.1 (actual energy capacity): energy delivered at the point of connection from full to empty
   at a given power.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.analytics.storage.fields import (
    Floats,
    fact,
    facts_of,
    maybe,
    names_of,
    need,
    power_of,
    prepared,
    slot_hours,
    tell,
)
from workbench.model.errors import InputError
from workbench.steps import step

if TYPE_CHECKING:
    import pandas as pd


def usable_energy_tests(
    data: xr.Dataset, *, least_share: float = 0.8, tolerance: float = 3.0, soc: str = ""
) -> pd.DataFrame:
    """Discharges that go through most of the window of charge, and the energy that the whole window would give.

    Parameters
    ----------
    data
        dims (time, asset): ``soc_recount`` or ``state_of_charge`` [%]; power, see
        :func:`~workbench.analytics.storage.fields.power_of`. Coordinates ``soc_min``, ``soc_max`` [%] (0 and 100 if left
        out), ``energy_capacity`` [kWh].
    least_share
        Share of the window that a discharge must go through [1].
    tolerance
        By how much it may be charged in between [%].
    soc
        The state of charge to take.

    Returns
    -------
    One row per discharge: ``asset``, ``start``, ``end``, ``from_soc``, ``to_soc`` [%], ``energy`` [kWh] delivered at the
    AC side, charging in between taken off; ``energy_dc`` [kWh], NaN where not measured; ``energy_window`` [kWh], of the whole
    window in proportion to the state of charge; ``power`` [kW], mean; ``temperature`` [degC]; ``share`` [1] of the window gone
    through; ``of_nominal`` [%], of the whole window over the nominal energy of it.

    Raises
    ------
    InputError
        No state of charge or power, a reversed sign, a wrong setting.
    """
    import pandas as pd

    if not 0.2 <= least_share <= 1:
        raise InputError(
            "too small a share to tell the whole from", where="least_share", found=least_share, expected="0.2 to 1"
        )
    data = prepared(data)
    level = need(
        data, soc or ("soc_recount" if "soc_recount" in data else "state_of_charge"), "by which full and empty are told"
    )
    power = power_of(data)
    heat = maybe(data, "cell_temperature_mean")
    low = np.nan_to_num(fact(data, "soc_min"), nan=0.0)
    high = np.nan_to_num(fact(data, "soc_max"), nan=100.0)
    new, hours, times = fact(data, "energy_capacity"), slot_hours(data), data["time"].values
    columns = [
        "asset", "start", "end", "from_soc", "to_soc", "energy", "energy_dc", "energy_window", "power", "temperature",
        "share", "of_nominal",
    ]  # fmt: skip
    rows = []
    for column, name in enumerate(names_of(data)):
        window = high[column] - low[column]
        net = power.discharge[:, column] - power.charge[:, column]
        for start, end in _falls(level[:, column], least_share * window, tolerance):
            span = slice(start, end + 1)
            if not np.isfinite(net[span]).all():
                continue
            # the slots at both ends are means: what went on between their middles
            weight = np.ones(end - start + 1)
            weight[0] = weight[-1] = 0.5
            gone = float(level[start, column] - level[end, column])
            energy = float((net[span] * weight).sum()) * hours
            dc = np.nan if power.dc is None else float((power.dc[span, column] * weight).sum()) * hours
            busy = net[span] > 0.01 * max(float(np.nanmax(net[span])), 1e-9)
            whole = energy * window / gone
            rows.append(
                {
                    "asset": name,
                    "start": times[start],
                    "end": times[end],
                    "from_soc": level[start, column],
                    "to_soc": level[end, column],
                    "energy": energy,
                    "energy_dc": dc,
                    "energy_window": whole,
                    "power": float(net[span][busy].mean()),
                    "share": gone / window,
                    "temperature": np.nan if heat is None else float(np.nanmean(heat[span, column])),
                    "of_nominal": 100.0 * whole / (new[column] * window / 100.0),
                }
            )
    return pd.DataFrame(rows, columns=columns)


def _falls(level: Floats, least: float, tolerance: float) -> list[tuple[int, int]]:
    """Rows of the top and the bottom of falls of at least ``least``, that never rise by more than ``tolerance`` in between."""
    from workbench.analytics.storage.cycles import _reversals

    turns = _reversals(np.ascontiguousarray(level), float(tolerance))
    found = []
    for top, bottom in itertools.pairwise(turns):
        if level[top] - level[bottom] >= least:
            part = level[top : bottom + 1]
            # it begins where it last was at the top, and ends where it first is at the bottom
            start = top + int(np.flatnonzero(part >= level[top] - 0.25)[-1])
            end = top + int(np.flatnonzero(part <= level[bottom] + 0.25)[0])
            if end > start:
                found.append((start, end))
    return found


def usable_energy(
    data: xr.Dataset, *, guaranteed: float | None = None, least_share: float = 0.8, tolerance: float = 3.0
) -> xr.Dataset:
    """Usable energy of each battery from its whole discharges, and whether it is what was promised.

    Parameters
    ----------
    data, least_share, tolerance
        See :func:`usable_energy_tests`.
    guaranteed
        Share of the nominal energy that is promised [%].

    Returns
    -------
    xr.Dataset
        dims (asset): ``usable_energy`` [kWh] of the whole window at the AC side, median of the discharges; ``lower``,
        ``upper``, least and most of them; ``of_nominal`` [%]; ``discharges``; ``passed``, 1, 0, or NaN without a promise;
        ``reason`` where there was no whole discharge.

    Raises
    ------
    InputError
        See :func:`usable_energy_tests`.
    """
    data = prepared(data)
    table = usable_energy_tests(data, least_share=least_share, tolerance=tolerance)
    names = names_of(data)
    content = {
        n: np.full(len(names), np.nan)
        for n in ("usable_energy", "lower", "upper", "of_nominal", "discharges", "passed")
    }
    reason = np.full(len(names), "", dtype=object)
    for column, name in enumerate(names):
        own = table[table["asset"] == name]
        content["discharges"][column] = len(own)
        if own.empty:
            reason[column] = (
                f"no discharge went through {100 * least_share:.0f} % of its window; run one on purpose, or set least_share lower"
            )
            continue
        whole = own["energy_window"]
        content["usable_energy"][column] = whole.median()
        content["lower"][column], content["upper"][column] = whole.min(), whole.max()
        content["of_nominal"][column] = own["of_nominal"].median()
        if guaranteed is not None:
            content["passed"][column] = float(own["of_nominal"].median() >= guaranteed)
    units = {"of_nominal": "%", "discharges": "1", "passed": "1"}
    return xr.Dataset(
        {n: ("asset", v, {"units": units.get(n, "kWh")}) for n, v in content.items()}, coords=facts_of(data)
    ).assign(reason=("asset", reason))


@step("usable_energy")
def add_usable_energy(
    data: xr.Dataset, *, guaranteed: float | None = None, least_share: float = 0.8, tolerance: float = 3.0
) -> xr.Dataset:
    """Usable energy of each battery, from the discharges that go through most of its window; one figure for the whole of the data.

    Parameters
    ----------
    data
        dims (time, asset), see :func:`usable_energy_tests`.
    guaranteed
        Share of the nominal energy that is promised [%].
    least_share
        Share of the window that a discharge must go through [1].
    tolerance
        By how much it may be charged in between [%].

    Returns
    -------
    The data with ``usable_energy`` [kWh] and ``usable_energy_of_nominal`` [%], dims (asset).

    Raises
    ------
    InputError
        No state of charge or power, or a reversed sign.
    """
    data = prepared(data)
    found = usable_energy(data, guaranteed=guaranteed, least_share=least_share, tolerance=tolerance)
    tell("usable_energy", found)
    return data.assign(
        usable_energy=("asset", found["usable_energy"].values, {"units": "kWh", "long_name": "usable energy, AC"}),
        usable_energy_of_nominal=("asset", found["of_nominal"].values, {"units": "%"}),
    )
