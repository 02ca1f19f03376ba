"""How far the settings of an analysis of yaw misalignment move its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.wind.yaw_cosine import CosineBins
from workbench.analytics.wind.yaw_misalignment import Progress, static_yaw_misalignment
from workbench.analytics.wind.yaw_regression import YawSettings
from workbench.steps import progress_part, remark, step

if TYPE_CHECKING:
    import pandas as pd

_CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"highest": 0.6},
    {"highest": 0.8},
    {"lowest": 0.12},
    {"spread": 3.0},
    {"spread": 8.0},
    {"largest_vane": 15.0},
    {"largest_vane": 35.0},
    {"turbulence": False},
    {"reliability": (1.0, 1.0)},
)
_BINS: tuple[dict[str, Any], ...] = (
    {},
    {"power_coefficient": True},
    {"wind_speeds": (4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0), "least": 50, "power_coefficient": True},
    {"vane_width": 2.0},
    {"spread": 4.0},
    {"highest": 0.92},
)


@dataclass(frozen=True)
class YawSweep:
    """What :func:`sweep_yaw_settings` finds.

    Attributes
    ----------
    table
        Misalignment [degree], one row per settings (``method``, ``changed``), one column per turbine.
    text
        How far they move it, in one sentence for each method.
    """

    table: pd.DataFrame
    text: str


def sweep_yaw_settings(
    turbines: xr.Dataset, *, cosines: bool = True, progress: Progress | None = None, **fields: Any
) -> YawSweep:
    """Misalignment by other reasonable settings, one changed at a time; with ``cosines`` by that method as well.

    Parameters
    ----------
    turbines
        As for :func:`~workbench.analytics.wind.yaw_misalignment.static_yaw_misalignment`; ``fields`` are its names
        of fields.
    """
    import pandas as pd

    jobs: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("parabola", change, {"settings": replace(YawSettings(), **change)}) for change in _CHANGES
    ]
    if cosines:
        jobs += [
            ("cosines", change, {"bins": replace(CosineBins(), **change), "compatibility": "openoa-3.2"})
            for change in _BINS
        ]
    rows, index = [], []
    for number, (method, change, given) in enumerate(jobs):
        with progress_part(number, len(jobs), "settings", told=progress):
            found = static_yaw_misalignment(turbines, simulations=0, **given, **fields).misalignment
        rows.append(found["yaw_misalignment"].values)
        index.append((method, ", ".join(f"{name} {value}" for name, value in change.items()) or "as it is"))
    table = pd.DataFrame(
        rows,
        index=pd.MultiIndex.from_tuples(index, names=["method", "changed"]),
        columns=pd.Index(turbines["asset"].values, name="asset"),
    )
    said = []
    for method in dict.fromkeys(method for method, _ in index):
        part = table.loc[method]
        moved: npt.NDArray[np.float64] = (part - part.iloc[0]).abs().to_numpy(dtype=np.float64)
        if np.isfinite(moved).any():
            row, column = divmod(int(np.nanargmax(moved)), len(part.columns))
            most, what, whose = moved[row, column], part.index[row], part.columns[column]
            said.append(
                f"{method}: other settings move the angle by up to {most:.1f} degrees ({whose}, {what}), "
                f"in the middle by {np.nanmedian(moved[1:]):.1f}"
            )
        else:
            said.append(f"{method}: no turbine has a figure")
    return YawSweep(table, "; ".join(said) + ".")


@step("yaw_settings_sweep")
def yaw_settings_sweep(
    data: xr.Dataset,
    *,
    cosines: bool = False,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    vane: str = "yaw_error",
    pitch: str = "blade_pitch_angle",
    nacelle: str = "nacelle_position",
    output_field: str = "yaw_misalignment_sweep",
) -> xr.Dataset:
    """How far other reasonable settings move the static yaw misalignment, one changed at a time.

    What moves it far is not to be believed to the degree. See :func:`sweep_yaw_settings`.

    Parameters
    ----------
    data
        dims (time, asset).
    cosines
        Whether to do it by cosine curves in bins of wind speed as well.
    wind_speed, power, vane, pitch, nacelle
        Fields [m/s, kW, degree, degree, degree]; the last two are used where they are there.
    output_field
        What the angles are called.

    Returns
    -------
    The data with the angles [degree], dims (asset, ``<output_field>_setting``), the first of a method with nothing changed;
    and ``<output_field>_moved`` [degree], dims (asset), how far the settings of one method move it at most. A sentence on
    each method is remarked.

    Raises
    ------
    InputError
        A field or the rated capacity is missing.
    """
    found = sweep_yaw_settings(
        data, cosines=cosines, wind_speed=wind_speed, power=power, vane=vane, pitch=pitch, nacelle=nacelle
    )
    remark(f"yaw_settings_sweep: {found.text}")
    values = found.table.to_numpy(dtype=np.float64)
    methods = found.table.index.get_level_values("method").to_numpy()
    moved = np.full(values.shape[1], np.nan)
    for method in dict.fromkeys(methods):
        mine = values[methods == method]
        moved = np.fmax(moved, np.fmax.reduce(np.abs(mine - mine[0]), axis=0))
    dim = f"{output_field}_setting"
    settings = np.array([f"{method}: {changed}" for method, changed in found.table.index], dtype=object)
    attrs = {"units": "degree", "long_name": "static yaw misalignment by settings"}
    most = {"units": "degree", "long_name": "how far settings move the static yaw misalignment"}
    return data.assign(
        {output_field: (("asset", dim), values.T, attrs), f"{output_field}_moved": ("asset", moved, most)}
    ).assign_coords({dim: settings})
