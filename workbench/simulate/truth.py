"""What the simulator really served, written down to compare the store with.

A truth folder holds a folder per site; in it, one Arrow IPC stream per series (``wind_turbine-1s.arrows``)
``faults.jsonl``, ``orders.jsonl`` and ``soiling.jsonl``. Rows are written in blocks that end with a flush to the operating system: a process
killed at any instant leaves a file readable up to its last block.
"""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError
from workbench.model.samples import SeriesKey

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr

SUFFIX = ".arrows"
FAULTS = "faults.jsonl"
ORDERS = "orders.jsonl"
SOILING = "soiling.jsonl"
SERVICE = "service.json"


class _Stream:
    """The growing file of one series."""

    def __init__(self, path: Path, variables: Sequence[str]) -> None:
        import pyarrow as pa

        self.variables = tuple(variables)
        self._schema = pa.schema(
            [("time", pa.int64()), ("asset", pa.string())] + [(name, pa.float64()) for name in self.variables]
        )
        self._file = path.open("xb")
        self._writer = pa.ipc.new_stream(self._file, self._schema)
        self._times: list[npt.NDArray[np.int64]] = []
        self._assets: list[str] = []
        self._values: list[npt.NDArray[np.float64]] = []
        self.rows = 0

    def append(self, time: int, assets: Sequence[str], values: npt.NDArray[np.float64]) -> None:
        self._times.append(np.full(len(assets), time, dtype=np.int64))
        self._assets.extend(assets)
        self._values.append(np.array(values, dtype=np.float64))

    def flush(self) -> None:
        import pyarrow as pa

        if not self._times:
            return
        values = np.concatenate(self._values)
        columns = [pa.array(np.concatenate(self._times)), pa.array(self._assets, pa.string())]
        columns += [pa.array(np.ascontiguousarray(values[:, i])) for i in range(values.shape[1])]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
        self._file.flush()
        self.rows += len(self._assets)
        self._times, self._assets, self._values = [], [], []

    def close(self) -> None:
        self.flush()
        self._writer.close()
        self._file.close()


class TruthLog:
    """Writes truth into ``folder``; a context manager.

    Parameters
    ----------
    folder
        Made where it is missing. It must not hold an earlier truth: two runs are two folders.
    every
        Seconds between flushes.

    Raises
    ------
    InputError
        Where the folder already holds truth.
    """

    def __init__(self, folder: Path | str, *, every: float = 2.0) -> None:
        self.folder = Path(folder)
        self.every = every
        self._streams: dict[tuple[str, SeriesKey], _Stream] = {}
        self._next = clock.monotonic() + every
        old = sorted(self.folder.glob(f"*/*{SUFFIX}")) if self.folder.is_dir() else []
        if old:
            raise InputError(
                "the folder already holds the truth of another run",
                file=old[0],
                hint="name another folder, or remove this one",
            )
        self.folder.mkdir(parents=True, exist_ok=True)

    def open(self, site: str, key: SeriesKey, variables: Sequence[str]) -> None:
        """Announce a series and the order of its variables."""
        if (site, key) not in self._streams:
            (self.folder / site).mkdir(exist_ok=True)
            path = self.folder / site / f"{key.asset_type}-{key.cadence}{SUFFIX}"
            self._streams[site, key] = _Stream(path, variables)

    def append(
        self, site: str, key: SeriesKey, time: int, assets: Sequence[str], values: npt.NDArray[np.float64]
    ) -> None:
        """Note what ``assets`` showed at ``time`` [ns]: ``values`` [assets, variables], NaN = not sent."""
        self._streams[site, key].append(time, assets, values)

    def fault(self, site: str, record: Mapping[str, Any]) -> None:
        """Note a fault that was injected; a line of JSON, on disk when this returns."""
        self._line(site, FAULTS, record)

    def order(
        self, site: str, key: SeriesKey, asset: str, time: int, values: Mapping[str, float], ticks: Sequence[int]
    ) -> None:
        """Note an order that ``asset`` took at ``time`` [ns].

        In ``ticks`` the ``values`` replaced what was shown first, so that either may have been read: of those
        values :func:`read_truth` says nothing.
        """
        record = {"time": time, "series": str(key), "asset": asset, "values": dict(values), "ticks": list(ticks)}
        self._line(site, ORDERS, record)

    def _line(self, site: str, name: str, record: Mapping[str, Any]) -> None:
        import orjson

        (self.folder / site).mkdir(exist_ok=True)
        with (self.folder / site / name).open("ab") as file:
            file.write(orjson.dumps(dict(record), option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")

    def soiling(self, site: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Note what dirt takes, see ``SimulatedSite.soiling``; replaced whole each time."""
        import orjson

        (self.folder / site).mkdir(exist_ok=True)
        new = self.folder / site / f"{SOILING}.new"
        new.write_bytes(b"".join(orjson.dumps(dict(record)) + b"\n" for record in records))
        new.replace(self.folder / site / SOILING)

    def summary(self, figures: Mapping[str, Any]) -> None:
        """Note figures of the run itself (``service.json``), replaced whole each time."""
        import orjson

        new = self.folder / f"{SERVICE}.new"
        new.write_bytes(orjson.dumps(dict(figures)))
        new.replace(self.folder / SERVICE)

    def flush(self, *, force: bool = True) -> bool:
        """Hand everything noted to the operating system; without ``force`` only when it is time.

        Returns whether it did.
        """
        if not force and clock.monotonic() < self._next:
            return False
        self._next = clock.monotonic() + self.every
        for stream in self._streams.values():
            stream.flush()
        return True

    def close(self) -> None:
        """Flush and end all files. A second call does nothing."""
        for stream in self._streams.values():
            stream.close()
        self._streams = {}

    def __enter__(self) -> TruthLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def truth_sites(folder: Path | str) -> dict[str, Path]:
    """Site to its folder of truth, of all that ``folder`` holds."""
    return {part.name: part for part in sorted(Path(folder).iterdir()) if any(part.glob(f"*{SUFFIX}"))}


def read_truth(folder: Path | str) -> dict[SeriesKey, xr.Dataset]:
    """The truth of one site: per series a Dataset with dims ``(time, asset)``, NaN where nothing was sent.

    Parameters
    ----------
    folder
        Folder of one site, see :func:`truth_sites`. A file whose writer was killed, or is still
        writing, is read up to its last whole block.
    """
    found = {key: _grid(table) for key, table in read_truth_tables(folder).items()}
    for order in read_orders(folder):
        data = next((data for key, data in found.items() if str(key) == order["series"]), None)
        if data is None or order["asset"] not in data["asset"].values:
            continue
        when = np.isin(data["time"].values.astype(np.int64), order["ticks"])
        for name in order["values"]:
            data[name].values[when, list(data["asset"].values).index(order["asset"])] = np.nan
    return found


def read_truth_tables(folder: Path | str) -> dict[SeriesKey, pl.DataFrame]:
    """As :func:`read_truth`, but the rows as they were written: ``time`` [ns], ``asset``, the variables."""
    import polars as pl
    import pyarrow as pa

    result: dict[SeriesKey, pl.DataFrame] = {}
    for path in sorted(Path(folder).glob(f"*{SUFFIX}")):
        with path.open("rb") as file:
            try:
                reader = pa.ipc.open_stream(file)
            except (pa.ArrowInvalid, OSError):
                continue  # killed before the first block
            batches = []
            while True:
                try:
                    batches.append(reader.read_next_batch())
                except (StopIteration, pa.ArrowInvalid, OSError):
                    break  # the end, or a block that was being written
            table = pa.Table.from_batches(batches, schema=reader.schema)
        asset_type, _, cadence = path.name.removesuffix(SUFFIX).rpartition("-")
        result[SeriesKey(asset_type, cadence)] = pl.DataFrame(table)
    return result


def _grid(frame: pl.DataFrame) -> xr.Dataset:
    import xarray as xr

    times, row = np.unique(frame["time"].to_numpy(), return_inverse=True)
    assets, column = np.unique(np.array(frame["asset"].to_list(), dtype=str), return_inverse=True)
    data = xr.Dataset(coords={"time": times.astype("datetime64[ns]"), "asset": assets.astype(object)})
    for name in frame.columns[2:]:
        grid = np.full((len(times), len(assets)), np.nan)
        grid[row, column] = frame[name].to_numpy()
        data[name] = (("time", "asset"), grid)
    return data


def read_faults(folder: Path | str) -> list[dict[str, Any]]:
    """The faults injected at one site, in the order they were."""
    return _lines(Path(folder) / FAULTS)


def read_soiling(folder: Path | str) -> list[dict[str, Any]]:
    """What dirt took at one site, by day and inverter; see ``SimulatedSite.soiling``."""
    return _lines(Path(folder) / SOILING)


def read_orders(folder: Path | str) -> list[dict[str, Any]]:
    """The orders taken at one site, as they came; see :meth:`TruthLog.order`."""
    return _lines(Path(folder) / ORDERS)


def _lines(path: Path) -> list[dict[str, Any]]:
    import orjson

    if not path.exists():
        return []
    return [orjson.loads(line) for line in path.read_bytes().splitlines() if line]
