"""Results of pipelines beside a site's telemetry: a folder each, a NetCDF file per day of UTC."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.model.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

#: Under a site's folder; ``<site>/results/<name>`` is how a result is called.
RESULTS = "results"
_DAYS = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].nc"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def result_folder(root: Path, site: str, name: str) -> Path:
    """Where a result is; InputError where ``name`` is none for a folder."""
    if not _NAME.fullmatch(name):
        raise InputError(
            "not a name for a result", where=f"{site}/{RESULTS}", found=name, expected="letters, digits, _ . and -"
        )
    return root / site / RESULTS / name


def result_names(root: Path, site: str) -> list[str]:
    """The results a site has."""
    folder = root / site / RESULTS
    return sorted(path.name for path in folder.iterdir() if any(path.glob(_DAYS))) if folder.is_dir() else []


def open_result(folder: Path, *, start: str = "", end: str = "") -> xr.Dataset:
    """A result, all its days as one lazy Dataset, dims (time, asset).

    Parameters
    ----------
    start, end
        First day wanted, and the last (``2026-11-25``); all by default.

    Raises
    ------
    InputError
        There is nothing of it.
    """
    import xarray as xr

    files = [path for path in sorted(folder.glob(_DAYS)) if (start or "0") <= path.stem <= (end or "9")]
    if not files:
        others = sorted(path.name for path in folder.parent.iterdir()) if folder.parent.is_dir() else []
        raise InputError(
            "nothing was made yet",
            file=folder,
            expected=", ".join(others) or None,
            hint=did_you_mean(folder.name, others) or "workbench run SPEC makes it",
        )
    parts = [xr.open_dataset(path, engine="h5netcdf", chunks={}) for path in files]
    if len(parts) == 1:
        return parts[0]
    made = xr.concat(
        parts, "time", data_vars="minimal", coords="minimal", compat="override", join="outer", combine_attrs="override"
    )

    def close() -> None:
        for part in parts:
            part.close()

    made.set_close(close)
    return made
