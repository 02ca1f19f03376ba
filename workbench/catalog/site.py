"""A site as one sees it: its store with the facts of its assets attached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalog.facts import SiteFacts
from workbench.catalog.selection import as_slice, selection
from workbench.model.errors import InputError, did_you_mean
from workbench.model.samples import SeriesKey
from workbench.project import find_project

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr

    from workbench.model.assets import Asset, Portfolio, Site
    from workbench.store import Records, SeriesInfo, SiteStore


class SiteView:
    """Everything measured and recorded at a site.

    Parameters
    ----------
    name
        Site in the portfolio.
    portfolio
        Sites and assets.
    store
        Root folder of the store.
    """

    def __init__(self, name: str, portfolio: Portfolio, store: Path) -> None:
        self.name = name
        self.portfolio = portfolio
        self.root = store

    @property
    def facts(self) -> Site | None:
        """The site in the portfolio; None for one that only the store knows."""
        return self.portfolio.sites.get(self.name)

    @property
    def assets(self) -> list[Asset]:
        """The site's assets: those of the portfolio, then those that only messages told of."""
        known = list(self.portfolio.assets(site=self.name)) if self.facts is not None else []
        there = {asset.id for asset in known}
        return known + [asset for asset in self.ingested.as_assets(self.name) if asset.id not in there]

    @property
    def ingested(self) -> SiteFacts:
        """What messages said of assets that the portfolio does not have."""
        return SiteFacts(self.root / self.name)

    @property
    def store(self) -> SiteStore:
        """The site's store."""
        from workbench.store import SiteStore

        return SiteStore(self.root, self.name)

    @property
    def records(self) -> Records:
        """The operational records of the store."""
        from workbench.store import Records

        return Records(self.root / "records.sqlite")

    def series(self) -> list[SeriesInfo]:
        """What the store has: series with assets, variables and span. Empty where nothing was collected."""
        return list(self.store.series()) if self.store.exists() else []

    def telemetry(
        self,
        series: str | SeriesKey | None = None,
        *,
        asset_type: str | None = None,
        cadence: str | None = None,
        time: Any = None,
        assets: str | Sequence[str] | None = None,
        variables: str | Sequence[str] | None = None,
    ) -> xr.Dataset:
        """A series of the site, lazy, with the facts of its assets as coordinates.

        Parameters
        ----------
        series
            ``"wind_turbine/1s"``; or say ``asset_type`` and ``cadence``. What is left out must be clear from
            what the store has.
        time
            ``slice(start, end)``, half-open, UTC, or a period as text.
        assets, variables
            Names; all if left out.

        Returns
        -------
        xr.Dataset
            dims (time, asset), backed by Dask.

        Raises
        ------
        InputError
            The store has no such series, or several that fit.
        """
        key = self._key(series, asset_type, cadence)
        chosen = selection(time, assets, variables)
        data = self.store.open(key, time=as_slice(chosen), assets=chosen.assets, variables=chosen.variables)
        return self._with_facts(data)

    def latest(
        self,
        series: str | SeriesKey | None = None,
        *,
        asset_type: str | None = None,
        cadence: str | None = None,
    ) -> xr.Dataset:
        """Newest value per asset and variable, with ``<variable>_time``; dims (asset)."""
        key = self._key(series, asset_type, cadence)
        return self._with_facts(self.store.latest(key))

    def tree(self) -> xr.DataTree:
        """All series as a tree ``<asset_type>/<cadence>``, with asset coordinates."""
        import xarray as xr

        parts = {
            f"/{info.key.asset_type}/{info.key.cadence}": self._with_facts(self.store.open(info.key))
            for info in self.series()
        }
        return xr.DataTree.from_dict(parts, name=self.name)

    def results(self) -> list[str]:
        """Names of what pipelines have made of the site's series."""
        from workbench.store.results import result_names

        return result_names(self.root, self.name)

    def result(self, name: str, *, start: str = "", end: str = "") -> xr.Dataset:
        """What a pipeline has made, lazy, dims (time, asset); ``start`` and ``end`` are the first and the last day.

        Raises
        ------
        InputError
            There is none of that name.
        """
        from workbench.store.results import open_result, result_folder

        return open_result(result_folder(self.root, self.name, name), start=start, end=end)

    def events(self, **filters: Any) -> pl.DataFrame:
        """Events of the site; ``filters`` are those of ``Records.events``: asset, start, end, kind, limit."""
        return self.records.events(site=self.name, **filters)

    def _with_facts(self, data: xr.Dataset) -> xr.Dataset:
        """``data`` with what portfolio and messages say of its assets."""
        return self.ingested.annotate(data, self.portfolio)

    def _key(self, series: str | SeriesKey | None, asset_type: str | None, cadence: str | None) -> SeriesKey:
        there = [info.key for info in self.series()]
        if not there:
            raise InputError(
                f"the store has nothing of {self.name}",
                found=self.root,
                hint="start `workbench collect` or `workbench demo`",
            )
        if series is not None:
            if asset_type is not None or cadence is not None:
                raise InputError("give a series, or asset_type and cadence, not both", found=str(series))
            text = str(series)
            fitting = [key for key in there if text in (str(key), key.asset_type)]
        else:
            text = f"{asset_type or '*'}/{cadence or '*'}"
            fitting = [key for key in there if asset_type in (None, key.asset_type) and cadence in (None, key.cadence)]
        if len(fitting) == 1:
            return fitting[0]
        names = [str(key) for key in there]
        raise InputError(
            f"several series of {self.name} fit {text!r}" if fitting else f"no series {text!r} at {self.name}",
            found=", ".join(map(str, fitting)) if fitting else None,
            expected="one of " + ", ".join(names),
            hint=None if fitting else did_you_mean(text, names),
        )

    def __repr__(self) -> str:
        return (
            f"<SiteView {self.name}: {', '.join(str(info.key) for info in self.series()) or 'nothing collected yet'}>"
        )


def open_portfolio(path: str | Path | None = None) -> Portfolio:
    """The sites and assets of the project, or of the folder ``path``; raises InputErrors for wrong files."""
    from workbench.model.assets import load_portfolio

    return load_portfolio(find_project().portfolio if path is None else Path(path).expanduser())


def open_site(site: str, store: str | Path | None = None, *, portfolio: Portfolio | None = None) -> SiteView:
    """Open a site: lazy Datasets over all that was collected, whatever its size.

    Parameters
    ----------
    site
        Name in the portfolio, or of a folder of the store.
    store
        Root folder of the store; the project's if left out.

    Raises
    ------
    InputError
        Neither the portfolio nor the store knows the site.
    """
    portfolio = open_portfolio() if portfolio is None else portfolio
    root = find_project().store if store is None else Path(store).expanduser()
    if site not in portfolio.sites and not (root / site).is_dir():
        raise InputError(
            f"no site {site!r}",
            expected="one of " + ", ".join(portfolio.sites),
            hint=did_you_mean(site, portfolio.sites),
        )
    return SiteView(site, portfolio, root)
