"""Batteries of a site: battery, rack and cell; charge, health, efficiency, cycles, temperatures, warranty.

What is measured is live; what is assessed (the last month of the record) is prepared once for all viewers.

The address says which: ``battery?site=sun_valley&battery=SV-BESS&rack=SV-BESS-R1&show=voltage``.
"""

from workbench.display import Page, argument, battery, battery_charts, live_view, parts

view = live_view()
sites = battery.battery_sites(view)
site = argument("site") or (next(iter(sites)) if len(sites) == 1 else "")
at = view.now.site(site)
there = battery.batteries_of(at)
one = argument("battery") or (there[0] if there else "")
crumbs = [("Portfolio", "portfolio", {})]

if site not in sites or not there:
    page = Page("Batteries", view, here="battery")
    page.row(parts.not_found("site", site, "battery", sites))
elif one not in there:
    page = Page("Batteries", view, here="battery", crumbs=[*crumbs, (sites[site], "site", {"site": site})])
    page.row(parts.not_found("battery", one, "battery", {name: name for name in there}, site=site))
else:
    page = Page(one, view, here="battery", crumbs=[*crumbs, (sites[site], "site", {"site": site})], subtitle="Battery")
    show, rack = parts.show_of(argument("show")), argument("rack")

    def choose(wish):
        """The viewer chose what the map of the cells shows, or a rack."""
        page.replace(
            "cell-map", parts.cell_map(view, site, one, parts.show_of(wish.get("show")), wish.get("rack") or "")
        )

    page.on("cells", choose)
    if len(there) > 1:
        page.row(parts.battery_choice(site, one))
    page.row(parts.asset_head(site, one))
    page.row(parts.battery_now(site, one))
    page.row(battery_charts.ChargeCourse(view, site, one), parts.battery_rows(site, one))
    found = battery.load(view, site)
    if found is None:
        page.row(parts.battery_reading(view, site, sites[site]))
    elif found.told is None:
        page.row(parts.battery_nothing(site, found.problem))
    else:
        page.row(parts.health_tiles(found, one))
        cells = battery.has_cells(view.now, site, one, found)
        spread = battery_charts.drawn(found, one, "spread", span=8)
        if cells:
            page.row(parts.cell_map(view, site, one, show, rack), parts.weakest(found, one))
        elif spread is not None:
            page.row(spread, parts.weakest(found, one))

        def pictures(*names, height=230):
            """Those that could be drawn, side by side over the whole row."""
            made = [battery_charts.drawn(found, one, name, height=height) for name in names]
            made = [figure for figure in made if figure is not None]
            for figure in made:
                figure.span = 12 // len(made)
            if made:
                page.row(*made)

        pictures("health", "efficiency", "losses")
        page.row(parts.warranty(found, one), parts.thermal_log(found, one))
        pictures("depth", "use", *(["spread"] if cells else []))
        pictures("heat", "flows")

page.show()
