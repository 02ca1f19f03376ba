"""Performance of a wind farm: yield, losses, curves, wakes, yaw, degradation, gap.

Sliders answer at once; intervals that take seconds follow by themselves.

The address says which site: ``performance?site=la_haute_borne``.
"""

from workbench.display import Page, argument, live_view, parts, performance, performance_rows, performance_study_rows

view = live_view()
site, sites = argument("site"), performance.wind_sites(view)
crumbs = [("Portfolio", "portfolio", {})]

if site not in sites:
    page = Page("Performance", view, here="performance")
    page.row(parts.not_found("site", site, "performance", sites))
else:
    page = Page("Performance", view, here="performance", crumbs=[*crumbs, (sites[site], "site", {"site": site})])
    found = performance.load(view, site)
    if found is None:
        page.row(parts.performance_reading(view, site, sites[site]))
    elif found.plant is None:
        page.row(parts.performance_nothing(site, found.problem))
    else:
        performance_rows.yield_rows(page, found)
        performance_rows.loss_rows(page, found)
        performance_rows.curve_rows(page, found)
        performance_study_rows.wake_rows(page, found)
        performance_study_rows.yaw_rows(page, found)
        performance_study_rows.aging_rows(page, found)
        performance_study_rows.gap_rows(page, found)

page.show()
