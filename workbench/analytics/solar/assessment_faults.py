"""Faults of a plant's strings, inputs, trackers and inverters in one list, and what they took from each inverter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from workbench.analytics.calendar import Window

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FaultsFound:
    """What :func:`find_faults` finds.

    Attributes
    ----------
    events
        As :class:`.fault_fields.Faults` has them, of all kinds, with ``kind`` (string, mppt, tracker, inverter) and ``inverter``, the one
        it belongs to. Energies are of the whole event.
    charged
        By category of the losses (``string``, ``mppt``, ``tracker``): dims (time, asset) of the inverters [kWh of each slot].
    daily
        By kind: dims (time, asset), the days; see :class:`.fault_fields.Faults`.
    reasons
        By kind: why nothing is told of it, or of some assets.
    """

    events: pd.DataFrame
    charged: Mapping[str, xr.DataArray]
    daily: Mapping[str, xr.Dataset]
    reasons: Mapping[str, str]


def find_faults(
    record: xr.Dataset,
    *,
    strings: xr.Dataset | None,
    mppts: xr.Dataset | None,
    trackers: xr.Dataset | None,
    parents: Mapping[str, str],
    window: Window,
    power: str = "total_ac_power",
    price: float | None = None,
    lacking: Mapping[str, str] | None = None,
    give_way: Callable[[], None] = lambda: None,
) -> FaultsFound:
    """Faults that reach into the window, and the energy they took."""
    from workbench.model.errors import InputError

    raise InputError("faults are not found in this version", where="faults")
