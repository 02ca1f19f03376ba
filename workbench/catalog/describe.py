"""What an entry is, in words and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.model.secrets import masked

if TYPE_CHECKING:
    from workbench.catalog.entry import Entry


def describe(entry: Entry) -> dict[str, Any]:
    """What :meth:`Entry.describe` gives."""
    entry.require()
    config = entry.spec.config
    about: dict[str, Any] = {
        "name": entry.name,
        "description": entry.description,
        "driver": entry.driver,
        "kind": entry.kind,
        "site": entry.site,
        "asset_type": getattr(config, "asset_type", None),
        "cadence": getattr(config, "cadence", None),
        "licence": entry.spec.raw.get("licence"),
    }
    about |= _file(entry) if entry.kind == "file" else _collected(entry)
    return about


def _file(entry: Entry) -> dict[str, Any]:
    contents = entry.reader().contents()
    assets = contents.assets or tuple(
        asset.id
        for asset in entry.catalog.portfolio.assets(site=entry.site, type=contents.asset_type)
        if entry.site in entry.catalog.portfolio.sites
    )
    return {
        "where": list(map(masked, contents.where)),
        "assets": list(assets),
        "variables": contents.variables,
        "span": None,
    }


def _collected(entry: Entry) -> dict[str, Any]:
    from workbench.model.vocabulary import vocabulary

    words = vocabulary()
    variables: dict[str, str] = {}
    if entry.spec.tagmap is not None:
        variables = {name: str(words.attrs(name).get("units", "")) for name in entry.spec.tagmap.tags}
    span, assets = None, list(entry.assets)
    site = entry.catalog.site(str(entry.site))
    if site.exists():
        for info in site.series():
            if info.key == entry.series:
                span = (info.first, info.last)
                assets = assets or list(info.assets)
                variables = variables or {name: str(words.attrs(name).get("units", "")) for name in info.variables}
    where = [_address(entry)] if entry.kind == "live" else [f"store {entry.catalog.store} / {entry.site}"]
    return {"where": where, "assets": assets, "variables": variables, "span": span}


def _address(entry: Entry) -> str:
    """The address of a live entry; secrets masked."""
    config: Any = entry.spec.config
    for key in ("url", "address", "host", "broker", "path"):
        value = getattr(config, key, None)
        if value:
            port = getattr(config, "port", None)
            text = f"{value}:{port}" if port and key in ("host", "broker") and ":" not in str(value) else str(value)
            return masked(text)
    return entry.driver
