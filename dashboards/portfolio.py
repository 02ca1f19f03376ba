"""Portfolio: is everything well, and how much do we make?

A page is a list of rows; a row is a list of parts side by side. Change, add or leave out what you like: the
server reads this file anew for each viewer.
"""

from workbench.display import Page, charts, live_view, parts

view = live_view()
page = Page("Portfolio", view)

if view.now.empty:
    page.row(parts.how_to_start(view))
else:
    page.row(parts.verdict())
    page.row(
        parts.power_now(),
        parts.by_kind(),
        parts.capacity_factor(),
        parts.energy_today(),
        parts.frequency(),
        css="tiles",
    )
    # A list stands on top of each other.
    page.row([parts.sites(span=7), charts.PowerTrend(view, hours=24)], parts.state_matrix(span=5))
    page.row(parts.recent_records(view, span=7, limit=6), parts.data_health(span=5))

page.show()
