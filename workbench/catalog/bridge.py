"""Catalog entries as readers of Intake 2.

An Intake catalog made here holds, for each entry, its name and the path of our YAML: nothing of its
configuration, so no secret and no template of Intake's (``{func(…)}``, ``{data(…)}``) gets in. An Intake
user opens our catalogs with::

    from workbench.catalog.bridge import WorkbenchCatalog

    catalog = WorkbenchCatalog("catalogs").to_reader().read()  # an intake Catalog
    catalog["la_haute_borne.scada"].read(time="2015-06")

or writes one down (``catalog.to_yaml_file("intake.yaml")``) for others, who need nothing but
``intake.from_yaml_file("intake.yaml")``: Intake finds the readers by the entry point ``intake.imports``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

# First, whole: it imports our readers by their entry point, and they need what it defines.
import intake  # noqa: F401

from workbench.catalog.intake_readers import CatalogReader, EntryReader, WorkbenchCatalog, WorkbenchEntry
from workbench.model.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.catalog.catalog import Catalog
    from workbench.catalog.entry import Entry

__all__ = [
    "CatalogReader", "EntryReader", "WorkbenchCatalog", "WorkbenchEntry",
    "entry_reader", "intake_catalog", "read_catalog", "read_entry",
]  # fmt: skip

#: What the package declares in the group ``intake.imports``.
ENTRY_POINT = "workbench.catalog.intake_readers:EntryReader"
PARAMETERS = ("time", "assets", "variables")


def read_entry(data: WorkbenchEntry, **parameters: Any) -> xr.Dataset | pd.DataFrame:
    """The Dataset of an entry; ``parameters`` are ``time``, ``assets`` and ``variables`` as in ``Entry.read``.

    An entry of records gives them as a table of pandas.
    """
    entry = data.open()
    if entry.gives_records:
        check_parameters(data.entry, {name: one for name, one in parameters.items() if one is not None}, ())
        return entry.records().collect().to_pandas()
    check_parameters(data.entry, parameters, PARAMETERS)
    return entry.open(**parameters)


def read_catalog(data: WorkbenchCatalog) -> Any:
    """The Intake catalog of a folder of Workbench catalogs."""
    from workbench.catalog import open_catalog

    return intake_catalog(open_catalog(data.path))


def check_parameters(entry: str, parameters: dict[str, Any], allowed: tuple[str, ...]) -> None:
    """Raise InputError for an unknown parameter: Intake passes on whatever it is given."""
    for name in parameters:
        if name not in allowed:
            raise InputError(
                f"unknown parameter {name!r}",
                where=entry,
                expected="one of " + ", ".join(allowed) if allowed else "no parameter",
                hint=did_you_mean(name, allowed),
            )


def entry_reader(entry: Entry) -> EntryReader:
    """The Intake reader of ``entry``."""
    data = _data(entry)
    data._bound = entry
    return EntryReader(data=data, metadata=data.metadata)


def _data(entry: Entry) -> WorkbenchEntry:
    about = {"description": _literal(entry.description), "driver": entry.driver, "kind": entry.kind}
    return WorkbenchEntry(str(entry.catalog.path), entry.name, metadata=about)


def intake_catalog(catalog: Catalog) -> Any:
    """``catalog`` as a Catalog of Intake 2, with a reader for each entry that is not wrong."""
    from intake.readers.entry import Catalog as IntakeCatalog

    if re.search(r"[{}]", str(catalog.path)):
        raise InputError(
            "Intake would take the braces for a template", file=catalog.path, expected="a path without { and }"
        )
    made = IntakeCatalog(metadata={"name": Path(catalog.path).name})
    for name, entry in catalog.entries.items():
        if not entry.spec.errors:
            made[name] = EntryReader(data=_data(entry))
            made.aliases[name] = name  # what Intake lists are aliases only
    return made


def _literal(text: str) -> str:
    """``text`` so that Intake does not take it for a reference to another entry."""
    return " " + text if re.match(r"{?data[(]", text) else text
