"""What messages said of assets and variables that neither portfolio nor vocabulary knows.

``<store>/<site>/ingested.yaml`` keeps it beside the telemetry: the assets with their place, parent and other
facts, and the units of variables outside the vocabulary. The portfolio, where it has an asset, goes first.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError
from workbench.model.yamlfile import load_yaml

if TYPE_CHECKING:
    import xarray as xr

    from workbench.model.assets import Asset, Portfolio

FILE = "ingested.yaml"
_HEAD = "# Kept by `workbench ingest`: what messages said of assets, and units of variables outside the vocabulary.\n"
_ASSET_FIELDS = ("latitude", "longitude", "elevation", "model", "manufacturer", "parent", "farm_id")


class SiteFacts:
    """Facts of one site as messages told them.

    Parameters
    ----------
    folder
        The site's folder in the store; None for no facts.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or Path()) / FILE
        self.assets: dict[str, dict[str, Any]] = {}  #: asset to its facts, ``type`` among them
        self.variables: dict[str, str] = {}  #: variable outside the vocabulary to its unit
        if folder is not None and self.path.exists():
            data = load_yaml(self.path).data or {}
            if not isinstance(data, dict):
                raise InputError("not a file of facts", file=self.path, hint="delete it and ingest again")
            self.assets = dict(data.get("assets") or {})
            self.variables = dict(data.get("variables") or {})

    def learn(self, assets: Mapping[str, Mapping[str, Any]], variables: Mapping[str, str]) -> bool:
        """Take in new facts, the newer first; returns whether anything changed."""
        before = (repr(self.assets), repr(self.variables))
        for name, facts in assets.items():
            self.assets[name] = {**self.assets.get(name, {}), **facts}
        for name, unit in variables.items():
            if not self.variables.get(name):  # a variable keeps the unit it first had
                self.variables[name] = unit
        return before != (repr(self.assets), repr(self.variables))

    def save(self) -> None:
        """Write the file, whole or not at all."""
        import yaml

        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{FILE}.{uuid.uuid4().hex[:8]}")
        content = {"assets": self.assets, "variables": self.variables}
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(_HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()

    def as_assets(self, site: str) -> list[Asset]:
        """The assets as those of a portfolio."""
        from workbench.model.assets import Asset

        made = []
        for name, facts in self.assets.items():
            known = {key: facts[key] for key in _ASSET_FIELDS if key in facts}
            if "farm_id" not in known and (farm := self.assets.get(str(facts.get("parent")), {}).get("farm_id")):
                known["farm_id"] = farm
            more = {key: value for key, value in facts.items() if key not in known and key != "type"}
            made.append(Asset(id=name, site=site, type=facts["type"], attributes=more, **known))
        return made

    def annotate(self, data: xr.Dataset, portfolio: Portfolio) -> xr.Dataset:
        """``data`` with asset coordinates and the units of variables outside the vocabulary."""
        from workbench.model.assets import Asset, asset_coords

        for name, unit in self.variables.items():
            if name in data and not data[name].attrs.get("units"):
                data[name].attrs["units"] = unit
        site = str(data.attrs.get("site", ""))
        told = {asset.id: asset for asset in self.as_assets(site)}
        kind = str(data.attrs.get("asset_type", ""))
        names = [str(name) for name in data["asset"].values]
        facts = [portfolio.get(name) or told.get(name) or Asset(name, kind, site) for name in names]
        return data.assign_coords(asset_coords(facts))
