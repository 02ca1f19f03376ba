"""What a report's notebook writes with: title, key figures, tables, plots, and a note of all it reads.

Everything shown is an output of the notebook, so that the executed notebook, the HTML and the PDF hold the same.
Key figures and inputs are outputs too, in a form for machines; the runner gathers them into the manifest.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError
from workbench.reports.markup import (
    Column,
    Figure,
    figures_block,
    legend_block,
    note_block,
    table_block,
    table_text,
    title_block,
)

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import xarray as xr

    from workbench.catalog import Catalog, SiteView
    from workbench.catalog.battery_plant import BatteryPlant
    from workbench.catalog.site_inputs import Input
    from workbench.catalog.solar_plant import SolarPlant
    from workbench.catalog.wind_plant import WindPlant
    from workbench.model.assets import Portfolio, Site

FIGURES_MIME = "application/vnd.workbench.figures+json"
INPUT_MIME = "application/vnd.workbench.input+json"


class Report:
    """A report about a period, of one site or of several.

    Parameters
    ----------
    period
        Of the calendar of each site: year, month, day, or start/end; see
        :func:`workbench.model.time.parse_period`.
    site
        Site it is about; none for a report on several.
    """

    def __init__(self, period: str, site: str = "") -> None:
        self.period = period
        self.site_id = site
        self.inputs: list[Input] = []
        if site:
            self.portfolio.site(site)
        self._load_plots()

    # -- what it is about -----------------------------------------------------------------------------

    @functools.cached_property
    def catalog(self) -> Catalog:
        """The project's catalogs."""
        from workbench.catalog import open_catalog

        return open_catalog()

    @property
    def portfolio(self) -> Portfolio:
        """The project's sites and assets."""
        return self.catalog.portfolio

    @property
    def site(self) -> Site:
        """Facts of the site the report is about."""
        return self.portfolio.site(self.site_id)

    def view(self, site: str | None = None) -> SiteView:
        """A site's data."""
        from workbench.catalog.site import SiteView

        return SiteView(site or self.site_id, self.portfolio, self.catalog.store)

    def window(self, site: str | None = None) -> tuple[pd.Timestamp, pd.Timestamp]:
        """[start, end) of the period at a site, in UTC."""
        from workbench.model.time import parse_period

        return parse_period(self.period, self.portfolio.site(site or self.site_id).timezone)

    # -- reading --------------------------------------------------------------------------------------

    def read(
        self,
        asset_type: str,
        *,
        site: str | None = None,
        variables: list[str] | None = None,
        before: str = "0min",
        required: bool = True,
    ) -> xr.Dataset | None:
        """Ten-minute data of one kind of asset over the period, in memory.

        Parameters
        ----------
        before
            How much to read before the period: counters need the value they began with.
        required
            Whether to raise where there is nothing; None is returned otherwise.

        Raises
        ------
        InputError
            There is nothing to read.
        """
        import pandas as pd

        from workbench.catalog.site_inputs import nothing_to_read, read_ten_minutes

        view = self.view(site)
        start, end = self.window(site)
        found = read_ten_minutes(view, self.catalog, asset_type, start - pd.Timedelta(before), end, variables)
        if found is None:
            if required:
                raise nothing_to_read(view, self.catalog, asset_type, start, end)
            return None
        data, about = found
        self._note(about)
        return data

    def wind_plant(self, site: str | None = None) -> WindPlant:
        """Everything of a wind farm up to the end of the period: turbines, meter, reanalyses.

        What looks back further than the period (a long-term yield, yaw, degradation) is told from the whole record.

        Raises
        ------
        InputError
            There is no ten-minute data of turbines before the end of the period.
        """
        from workbench.catalog.wind_plant import wind_plant

        found = wind_plant(self.view(site), self.catalog, None, self.window(site)[1])
        for about in found.inputs:
            self._note(about)
        return found

    def battery_plant(self, site: str | None = None) -> BatteryPlant:
        """The batteries of a site up to the end of the period, and what stands beside them within it.

        Health, its trend and life are told from the whole record.

        Raises
        ------
        InputError
            There is no ten-minute data of batteries before the end of the period.
        """
        from workbench.catalog.battery_plant import battery_plant

        found = battery_plant(self.view(site), self.catalog, *self.window(site))
        for about in found.inputs:
            self._note(about)
        return found

    def solar_plant(self, site: str | None = None) -> SolarPlant:
        """Everything of a solar plant up to the end of the period: inverters, weather, and what lies behind the inverters.

        Clocks, degradation and soiling are told from the whole record.

        Raises
        ------
        InputError
            There is no data of inverters before the end of the period.
        """
        from workbench.catalog.solar_plant import solar_plant

        found = solar_plant(self.view(site), self.catalog, *self.window(site))
        for about in found.inputs:
            self._note(about)
        return found

    def cadence(self, asset_type: str, site: str | None = None) -> str | None:
        """Cadence of the samples behind the ten-minute data, such as ``1s``; None where only those exist."""
        from workbench.catalog.site_inputs import series_cadence

        return series_cadence(self.view(site).series(), asset_type)

    def events(self, site: str | None = None) -> pl.DataFrame:
        """Events of the period at a site, the earliest first; empty where no store has records."""
        import hashlib

        import polars as pl

        from workbench.catalog.site_inputs import Input

        view = self.view(site)
        start, end = self.window(site)
        if not (view.root / "records.sqlite").exists():
            return pl.DataFrame(schema={"time": pl.Datetime("ns", "UTC"), **dict.fromkeys(_EVENT_COLUMNS, pl.String)})
        records = view.records
        try:
            frame = records.events(
                site=view.name, start=int(start.value), end=int(end.value), newest_first=False
            ).select("time", *_EVENT_COLUMNS)
        finally:
            records.close()
        digest = hashlib.sha256(frame.write_csv().encode()).hexdigest()
        first, last = (f"{when:%Y-%m-%dT%H:%M:%S}Z" for when in (start, end))
        self._note(Input(f"{view.name} events", "events", first, last, frame.height, 0, frame.width, digest))
        return frame

    def _note(self, about: Input) -> None:
        self.inputs.append(about)
        line = f"read {about.name}: {about.slots:,} × {about.assets}, sha256 {about.sha256[:12]}"
        _show({"text/plain": line, "text/html": "", INPUT_MIME: about.as_dict()})

    # -- writing --------------------------------------------------------------------------------------

    def title(self, kicker: str, title: str, subtitle: str, facts: Sequence[tuple[str, str]] = ()) -> None:
        """Head of the report."""
        _show(
            {"text/plain": f"{kicker}: {title}, {subtitle}", "text/html": title_block(kicker, title, subtitle, facts)}
        )

    def figures(self, *figures: Figure, site: str = "", shown: bool = True) -> None:
        """Key figures: side by side on the page, and each with its name in the manifest.

        Parameters
        ----------
        site
            Site they belong to; the report's if left out.
        shown
            False to note them in the manifest alone.
        """
        content = [
            {
                "name": one.name,
                "label": one.label,
                "value": None if one.value is None or one.value != one.value else float(one.value),
                "units": one.units or "1",
                "site": site or self.site_id or None,
                "note": one.note,
            }
            for one in figures
        ]
        lines = [f"{one.label}: {' '.join(one.shown()).strip()}" for one in figures]
        html = figures_block(figures) if shown else ""
        _show({"text/plain": "\n".join(lines), "text/html": html, FIGURES_MIME: {"figures": content}})

    def table(
        self,
        rows: Sequence[Mapping[str, Any]],
        columns: Sequence[Column],
        *,
        title: str = "",
        total: Mapping[str, Any] | None = None,
        note: str = "",
    ) -> None:
        """A table: ``rows`` are mappings, ``columns`` say what of them is shown and in which unit."""
        html = table_block(rows, columns, title=title, total=total, note=note)
        _show({"text/plain": table_text([*rows, *([total] if total else [])], columns), "text/html": html})

    def plots(
        self,
        *plots: Any,
        titles: Sequence[str] = (),
        notes: Sequence[str] = (),
        columns: int = 1,
        legend: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        """Bokeh figures, each with a title above and a note below, in ``columns`` side by side.

        Parameters
        ----------
        legend
            One for all of them: (label, colour, ``line``, ``dash`` or ``square``) each.
        """
        from html import escape

        from bokeh.embed import components

        for plot in plots:
            plot.background_fill_color = plot.border_fill_color = None
            plot.toolbar_location = None
        script, divs = components(tuple(plots))
        cells = []
        for i, div in enumerate(divs):
            title = f"<figcaption>{escape(titles[i])}</figcaption>" if i < len(titles) else ""
            note = f'<p class="wb-note">{escape(notes[i])}</p>' if i < len(notes) and notes[i] else ""
            cells.append(f"<figure>{title}{div}{note}</figure>")
        html = f'{legend_block(legend)}<div class="wb-plots wb-columns-{columns}">{"".join(cells)}</div>{script}'
        _show({"text/plain": "plot: " + "; ".join(titles), "text/html": html})

    def text(self, markdown: str) -> None:
        """Running text that depends on the data, as Markdown."""
        _show({"text/plain": markdown, "text/markdown": markdown})

    def note(self, text: str, *, warning: bool = False) -> None:
        """A remark set apart; ``warning`` for what the reader must not overlook."""
        _show({"text/plain": text, "text/html": note_block(text, warning=warning)})

    def sources(self) -> None:
        """The table of everything the report was made from."""
        import workbench

        rows = [
            one.as_dict() | {"hash": one.sha256[:16], "span": f"{one.start[:16]} … {one.end[:16]}"}
            for one in self.inputs
        ]
        columns = [
            Column("name", "Input", text=True),
            Column("span", "Window (UTC)", text=True),
            Column("slots", "Rows", decimals=0),
            Column("assets", "Assets", decimals=0),
            Column("hash", "SHA-256 of the content", text=True),
        ]
        licences = sorted({f"{one.name}: {one.licence}" for one in self.inputs if one.licence})
        note = "; ".join(licences) + ("." if licences else "")
        self.table(rows, columns, note=f"{note} Workbench {workbench.__version__}.".strip())

    def _load_plots(self) -> None:
        """Put BokehJS into the notebook once, so that its plots and those of the HTML need no network."""
        from bokeh.resources import Resources

        code = "\n".join(Resources(mode="inline", components=["bokeh"], minified=True).js_raw)
        _show({"text/plain": "plots: BokehJS", "text/html": f"<script>{code}</script>"})


_EVENT_COLUMNS = ("asset", "kind", "name", "value", "text", "severity")


def _show(bundle: dict[str, Any]) -> None:
    """An output of the notebook; a line of text outside of one."""
    from IPython.core.getipython import get_ipython

    if get_ipython() is None:
        return
    from IPython.display import display

    display(bundle, raw=True)  # type: ignore[no-untyped-call]


def local_span(start: pd.Timestamp, end: pd.Timestamp, tz: str) -> str:
    """A period for people: ``1 Jan – 31 Dec 2015``, the last day included."""
    import pandas as pd

    first = start.tz_localize("UTC").tz_convert(tz)
    last = end.tz_localize("UTC").tz_convert(tz) - pd.Timedelta(1, "us")
    if first.date() == last.date():
        if first.hour or first.minute or (end - start) < pd.Timedelta(hours=22):
            return f"{first.day} {first:%B %Y}, {first:%H:%M} – {end.tz_localize('UTC').tz_convert(tz):%H:%M}"
        return f"{first:%A}, {first.day} {first:%B %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {last.day} {last:%B %Y}"
    if first.year == last.year:
        return f"{first.day} {first:%B} – {last.day} {last:%B %Y}"
    return f"{first.day} {first:%B %Y} – {last.day} {last:%B %Y}"


__all__ = ["FIGURES_MIME", "INPUT_MIME", "Column", "Figure", "InputError", "Report", "local_span"]
