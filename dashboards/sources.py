"""Data health: does every source deliver, how old is what it delivers, what goes wrong?"""

from workbench.display import Page, live_view, parts

view = live_view()
page = Page("Data health", view, here="sources")

if view.now.empty:
    page.row(parts.how_to_start(view))
else:
    page.row(parts.sources_verdict())
    page.row(parts.collectors())
    for site in view.now.live_sites:
        page.row(parts.devices(site.id, site.name))

page.show()
