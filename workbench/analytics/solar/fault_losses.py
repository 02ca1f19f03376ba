"""Energy that faults of strings, inputs and trackers took, brought onto their inverters for ``solar_losses``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.solar.fault_fields import texts
from workbench.model.errors import InputError
from workbench.steps import remark

Floats = npt.NDArray[np.float64]


def with_fault_losses(data: xr.Dataset, *parts: xr.Dataset, parents: Mapping[str, str] | None = None) -> xr.Dataset:
    """``data`` of inverters with ``string_loss``, ``mppt_loss`` and ``tracker_loss`` as ``solar_losses`` reads them.

    The energy of each part goes to the inverter above it, by ``parent`` from string over MPPT to inverter. What a string and the input
    that it belongs to both tell is the same energy: of an asset and those below it the larger counts.

    Parameters
    ----------
    data
        dims (time, asset) of inverters.
    parts
        Each dims (time, asset) of one kind of asset, on the times of ``data``, with what the steps ``string_faults`` and
        ``tracker_faults`` give: ``string_fault`` and ``string_fault_loss`` [kWh], ``tracker_fault_loss`` [kWh]. With coordinate
        ``parent`` on asset, unless ``parents`` has it. An inverter may be a part itself.
    parents
        Asset to the asset above it; goes before the coordinates.

    Returns
    -------
    ``data`` with those of the three fields [kWh of each slot, DC side] that ``parts`` tell; 0 for inverters without a fault. Energy that is not
    known, or of an asset above which there is no inverter of ``data``, is remarked and left out.

    Raises
    ------
    InputError
        A part has other times, or no field of losses.
    """
    above: dict[str, str] = {}
    for part in parts:
        above |= {str(a): p for a, p in zip(part["asset"].values, texts(part, "parent"), strict=True) if p}
    above |= dict(parents or {})
    inverters = {str(a): n for n, a in enumerate(data["asset"].values)}
    own: dict[str, dict[str, Floats]] = {}
    for part in parts:
        if not np.array_equal(part["time"].values, data["time"].values):
            raise InputError(
                "the faults are of other times than the inverters", where="parts", found=f"{part.sizes['time']} times",
                expected=f"the {data.sizes['time']} of the inverters", hint="resample both to the same slots first",
            )  # fmt: skip
        there = _categories(part)
        if not there:
            raise InputError(
                "a part has no energy that faults took", where="parts", found=", ".join(map(str, list(part.data_vars)[:12])),
                expected="string_fault_loss or tracker_fault_loss",
            )  # fmt: skip
        names = [str(a) for a in part["asset"].values]
        for category, values in there.items():
            for n in np.flatnonzero((values != 0).any(axis=0)):
                one = values[:, n]
                if not np.isfinite(one).all():
                    remark(f"{category}_loss: {names[n]}: energy lost is not known in some slots and left out")
                _put(own.setdefault(category, {}), names[n], np.nan_to_num(one))
            own.setdefault(category, {})
    fields = {}
    for category, energies in own.items():
        total = np.zeros((data.sizes["time"], data.sizes["asset"]))
        for name, column in inverters.items():
            total[:, column] = _summed(name, energies, above)
        for name in energies:
            if _top(name, above, inverters) is None:
                remark(f"{category}_loss: {name}: no inverter of the data is above it, its energy is left out")
        attrs = {"units": "kWh", "long_name": f"energy lost to faults, {category}"}
        fields[f"{category}_loss"] = (("time", "asset"), total, attrs)
    return data.assign(fields)


def _categories(part: xr.Dataset) -> dict[str, Floats]:
    out: dict[str, Floats] = {}
    if "string_fault_loss" in part:
        loss = np.asarray(part["string_fault_loss"].transpose("time", "asset").values, dtype=np.float64)
        stuck = np.zeros(loss.shape, bool)
        if "string_fault" in part:
            meanings = str(part["string_fault"].attrs.get("flag_meanings", "")).split()
            if "mppt_stuck" in meanings:
                stuck = part["string_fault"].transpose("time", "asset").values == meanings.index("mppt_stuck")
        out["string"] = np.where(stuck, 0.0, loss)
        if stuck.any():
            out["mppt"] = np.where(stuck, loss, 0.0)
    if "tracker_fault_loss" in part:
        out["tracker"] = np.asarray(part["tracker_fault_loss"].transpose("time", "asset").values, dtype=np.float64)
    return out


def _put(energies: dict[str, Floats], name: str, values: Floats) -> None:
    energies[name] = np.maximum(energies[name], values) if name in energies else values


def _summed(name: str, energies: Mapping[str, Floats], above: Mapping[str, str]) -> Floats | float:
    """Energy of an asset and all below it: its own, or theirs where that is more."""
    below = [child for child, parent in above.items() if parent == name and child != name]
    theirs: Floats | float = sum((_summed(child, energies, above) for child in below), 0.0)
    return np.maximum(energies[name], theirs) if name in energies else theirs


def _top(name: str, above: Mapping[str, str], inverters: Mapping[str, int]) -> str | None:
    seen: set[str] = set()
    while name not in inverters:
        if name in seen or name not in above:
            return None
        seen.add(name)
        name = above[name]
    return name
