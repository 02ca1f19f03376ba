"""The newest values of a live entry: from the store, or from the devices themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.model.errors import InputError
from workbench.model.quality import quality_attrs, quality_name
from workbench.model.samples import Sample

if TYPE_CHECKING:
    import xarray as xr

    from workbench.catalog.entry import Entry
    from workbench.sources.base import Source


def newest(entry: Entry) -> xr.Dataset:
    """The newest values the store has of the entry's series and assets."""
    site = entry.catalog.site(str(entry.site))
    key = entry.series
    if not site.exists() or key not in [info.key for info in site.series()]:
        raise nothing_collected(entry)
    data = site.latest(key)
    there = set(data["asset"].values)
    mine = [name for name in entry.assets if name in there]
    return data.sel(asset=mine) if mine else data


def nothing_collected(entry: Entry) -> InputError:
    """The error of an entry that the store has nothing of."""
    return InputError(
        f"nothing has been collected from {entry.name} yet",
        found=f"store {entry.catalog.store}",
        hint="start `workbench collect`, or ask the devices: catalog[…].live(direct=True)",
    )


def newest_direct(source: Source) -> xr.Dataset:
    """Ask the devices of ``source`` once; raises SourceError where none answers."""
    return samples_to_dataset(_finished(source), source.assets)


def _finished(source: Source) -> list[Sample]:
    """``source.read()`` run to its end, also where a loop is running already, as in a notebook."""
    if not _in_a_loop():
        return asyncio.run(source.read())
    result: list[Sample] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.extend(asyncio.run(source.read()))
        except BaseException as error:  # handed over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=work, name=f"read {source.name}")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def samples_to_dataset(samples: Sequence[Sample], assets: Sequence[str]) -> xr.Dataset:
    """The newest value per asset and variable.

    Returns
    -------
    xr.Dataset
        dim (asset); for each variable ``x``: ``x``, ``x_time`` (NaT where there is none) and ``x_quality``.
    """
    import xarray as xr

    from workbench.model.vocabulary import vocabulary

    # variable to the kind of asset that has it
    variables = {name: sample.shape.key.asset_type for sample in samples for name in sample.shape.variables}
    row = {asset: index for index, asset in enumerate(assets)}
    values = np.full((len(variables), len(assets)), np.nan)
    times = np.full((len(variables), len(assets)), np.datetime64("NaT", "ns"))
    flags = np.zeros((len(variables), len(assets)), np.uint16)
    place = {name: index for index, name in enumerate(variables)}
    for sample in sorted(samples, key=lambda one: one.time):
        at = row.get(sample.asset)
        if at is None:
            continue
        for position, name in enumerate(sample.shape.variables):
            value = sample.values[position]
            if np.isnan(value) and (sample.quality is None or sample.quality[position] == 0):
                continue  # not sent
            values[place[name], at] = value
            times[place[name], at] = np.datetime64(sample.time, "ns")
            flags[place[name], at] = 0 if sample.quality is None else sample.quality[position]
    data: dict[str, xr.Variable] = {}
    for name, index in place.items():
        data[name] = xr.Variable("asset", values[index], vocabulary().attrs(name, variables[name]))
        data[f"{name}_time"] = xr.Variable("asset", times[index], {"long_name": f"source time of {name}"})
        data[quality_name(name)] = xr.Variable("asset", flags[index], quality_attrs(name))
    return xr.Dataset(data, coords={"asset": np.asarray(assets, dtype=object)})
