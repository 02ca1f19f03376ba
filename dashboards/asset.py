"""Asset: every tag it has, live and from the store, and what happened to it.

The address says which: ``asset?site=north_ridge&asset=NR-T01&tag=wind_speed&range=24h``.
"""

from workbench.display import Page, argument, charts, live_view, parts

view = live_view()
site, asset = argument("site"), argument("asset")
at = view.now.site(site)
crumbs = [("Portfolio", "portfolio", {})]
if at.assets:
    crumbs.append((at.name, "site", {"site": site}))

if asset not in at.assets:
    page = Page("Asset not found", view, crumbs=crumbs)
    page.row(parts.not_found("asset", asset, "asset", {name: name for name in at.assets}, site=site))
else:
    page = Page(asset, view, crumbs=crumbs, subtitle=parts.asset_subtitle(at, asset))
    tag = argument("tag") or parts.main_tag(at, asset)
    span = parts.range_of(argument("range"))
    trend = charts.TagTrend(view, site, asset, tag, span)

    def show(wish):
        """The viewer chose another tag or range: change the trend and what belongs to it in place."""
        trend.choose(tag=wish.get("tag"), span=wish.get("range"))
        page.replace("tag-head", parts.tag_head(view, site, asset, trend.tag, trend.range))
        page.replace("tag-list", parts.tag_list(view, site, asset, trend.tag, trend.range))

    page.on("tag", show)
    page.on("range", show)
    page.row(parts.asset_head(site, asset))
    if tag:
        page.row(parts.tag_head(view, site, asset, tag, span))
        page.row(trend)
    page.row(parts.asset_features(view, site, asset))
    page.row(parts.tag_find())
    page.row(parts.tag_list(view, site, asset, tag, span))
    page.row(parts.asset_records(view, site, asset))

page.show()
