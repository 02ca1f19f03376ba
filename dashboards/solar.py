"""Solar plants: portfolio, plant, inverter, string; power against expectation, losses, key figures, soiling, faults.

What is measured is live; what is assessed (the last twelve months of the record) is prepared once for all viewers.

The address says which: ``solar``, ``solar?site=sun_valley``, ``solar?site=sun_valley&asset=SV-INV03``.
"""

from workbench.display import Page, argument, live_view, parts, solar, solar_charts, solar_rows

view = live_view()
sites = solar.solar_sites(view)
site, asset = argument("site"), argument("asset")
crumbs = [("Portfolio", "portfolio", {}), ("Solar", "solar", {})]
inverters = view.now.site(site).of_type("inverter")


def assessed(page, found):
    """What was assessed, of the plant or of one inverter."""
    page.row(parts.assessed_tiles(found, asset))
    solar_rows.loss_rows(page, found, asset)
    figure, step = parts.figure_of(argument("figure")), parts.step_of(argument("step"))

    def choose(wish):
        """The viewer chose a key figure, or days or months."""
        figure, step = parts.figure_of(wish.get("figure")), parts.step_of(wish.get("step"))
        page.replace("kpi-table", parts.kpi_table(found, figure, step, asset))

    page.on("kpi", choose)
    page.row(parts.kpi_table(found, figure, step, asset))
    solar_rows.soiling_rows(page, found, asset)
    page.row(parts.fault_table(found, asset))


if not site:
    page = Page("Solar", view, here="solar", crumbs=crumbs[:1])
    page.row(parts.solar_plants(view))
elif site not in sites:
    page = Page("Solar", view, here="solar", crumbs=crumbs[:1])
    page.row(parts.not_found("site", site, "solar", sites))
elif asset and asset not in inverters:
    page = Page("Solar", view, here="solar", crumbs=[*crumbs, (sites[site], "solar", {"site": site})])
    page.row(parts.not_found("asset", asset, "solar", {name: name for name in inverters}, site=site))
else:
    found = solar.load(view, site)
    live = view.now.site(site).live
    if asset:
        page = Page(
            asset, view, here="solar", crumbs=[*crumbs, (sites[site], "solar", {"site": site})], subtitle="Inverter"
        )
        page.row(parts.inverter_choice(site, asset))
        page.row(parts.asset_head(site, asset))
    else:
        page = Page(sites[site], view, here="solar", crumbs=crumbs, subtitle="Solar plant")
    if live:
        page.row(parts.solar_tiles(view, site, asset))
    if live and asset:
        trackers = [parts.tracker_table(view, site, asset, span=5)]
        if solar.behind(view.now.site(site), found, "tracker").get(asset):
            trackers.append(solar_charts.TrackerChart(view, site, asset, span=5))
        page.row(solar_charts.TodayChart(view, site, asset, span=7, height=372), trackers)
        page.row(parts.input_table(view, site, asset), solar_charts.StringChart(view, site, asset))
    elif live:
        show = parts.strings_of(argument("show"))

        def choose(wish):
            """The viewer chose what the map of the strings shows."""
            page.replace("string-map", parts.string_map(view, site, parts.strings_of(wish.get("show"))))

        page.on("strings", choose)
        page.row(solar_charts.TodayChart(view, site, span=12))
        page.row(parts.inverter_table(view, site))
        page.row(parts.string_map(view, site, show, span=7), parts.tracker_table(view, site, span=5))
    if found is None:
        page.row(parts.solar_reading(view, site, sites[site]))
    elif found.told is None:
        page.row(parts.solar_nothing(site, found.problem))
    else:
        assessed(page, found)

page.show()
