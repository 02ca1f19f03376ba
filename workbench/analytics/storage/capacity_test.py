"""Capacity from whole discharges of cells or strings, down to a voltage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.analytics.storage.fields import hours_since, need, prepared

if TYPE_CHECKING:
    import pandas as pd


def discharge_capacity(
    data: xr.Dataset, *, cut_off: float, voltage: str = "voltage", current: str = "current", least: float = 0.05
) -> pd.DataFrame:
    """Charge and energy of each whole discharge, down to a voltage.

    Parameters
    ----------
    data
        dims (time, asset), times of any spacing: ``voltage`` [V] and ``current`` [A], positive while discharging, of a cell or
        of a string.
    cut_off
        A discharge counts until the voltage is first below it [V]; one that never comes there is no whole one.
    least
        A discharge is where the current is above this share of its largest.

    Returns
    -------
    One row per discharge: ``asset``, ``start``, ``end``, ``charge`` [A h], ``energy`` [Wh], ``whole``.

    Raises
    ------
    InputError
        A field is missing.
    """
    import pandas as pd

    data = prepared(data)
    v, i = need(data, voltage), need(data, current)
    hours, times = hours_since(data), data["time"].values
    rows = []
    for column, name in enumerate(map(str, data["asset"].values)):
        there = np.flatnonzero(np.isfinite(v[:, column]) & np.isfinite(i[:, column]))
        vv, ii, hh = v[there, column], i[there, column], hours[there]
        if not len(there):
            continue
        on = np.concatenate([[False], ii > least * np.max(np.abs(ii)), [False]])
        edge = np.flatnonzero(np.diff(on.astype(np.int8)))
        for start, end in zip(edge[::2], edge[1::2], strict=True):
            first = max(start - 1, 0)  # the current came up between the sample before and this
            below = np.flatnonzero(vv[start:end] < cut_off)
            last = start + int(below[0]) if len(below) else min(end, len(ii) - 1)
            if last <= first:
                continue
            span = slice(first, last + 1)
            rows.append(
                {
                    "asset": name,
                    "start": times[there[start]],
                    "end": times[there[last]],
                    "charge": float(np.trapezoid(ii[span], hh[span])),
                    "energy": float(np.trapezoid(ii[span] * vv[span], hh[span])),
                    "whole": bool(len(below)),
                }
            )
    return pd.DataFrame(rows, columns=["asset", "start", "end", "charge", "energy", "whole"])
