"""Site: its layout, its assets, its resource, and power against expectation.

The address says which site: ``site?site=north_ridge``.
"""

from workbench.display import Page, argument, charts, live_view, parts

view = live_view()
site = argument("site")
at = view.now.site(site)
crumbs = [("Portfolio", "portfolio", {})]

if not at.assets:
    page = Page("Site not found", view, crumbs=crumbs)
    page.row(parts.not_found("site", site, "site", {name: other.name for name, other in view.now.sites.items()}))
else:
    page = Page(at.name, view, crumbs=crumbs, subtitle=parts.site_subtitle(at))
    page.row(parts.site_verdict(site))
    if at.live:
        page.row(*parts.site_tiles(view, site), css="tiles")
    page.row(parts.layout(site, span=5), parts.asset_cards(view, site, span=7))
    if at.live:
        resource = (
            parts.wind_rose(view, site, span=4) if at.of_type("wind_turbine") else parts.irradiance(view, site, span=4)
        )
        page.row(charts.PowerExpectation(view, site, span=8, height=356), resource)
        storage = [parts.battery(site, span=4)] if at.of_type("battery") else []
        meter = [parts.grid_meter(site, span=4)] if at.of_type("grid_meter") else []
        trend = charts.PowerTrend(view, site=site, span=12 - 4 * len(storage + meter), height=300)
        page.row(trend, *storage, *meter)
        page.row(parts.recent_records(view, site=site, span=12))

page.show()
