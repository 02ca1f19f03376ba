"""The live entries of a catalog, seen from the other side of the wire: what a simulator must serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.model.errors import InputError, InputErrors, did_you_mean

if TYPE_CHECKING:
    from workbench.catalog.catalog import Catalog
    from workbench.simulate.service import ServedEntry


def live_entries(catalog: Catalog, sites: Sequence[str] | None = None) -> list[ServedEntry]:
    """What to serve for the live entries of ``catalog``, of all simulated sites or of ``sites``.

    Raises
    ------
    InputErrors
        With everything that is wrong with any of them.
    """
    from workbench.simulate.service import served_entries

    served: list[ServedEntry] = []
    errors: list[InputError] = []
    known: set[str] = set()
    for entry in catalog.entries.values():
        if entry.kind != "live" or entry.site is None:
            continue
        known.add(entry.site)
        if sites and entry.site not in sites:
            continue
        try:
            entry.require()
            spec = entry.spec
            if spec.config is None or spec.tagmap is None:
                raise InputError("the simulator needs a tag map", where=spec.name, hint="give the entry the key 'tags'")
            served += served_entries(spec.name, entry.site, spec.driver, spec.config.model_dump(), spec.tagmap)
        except InputError as error:
            errors.append(error)
    for name in sites or ():
        if name not in known:
            hint = did_you_mean(name, known)
            errors.append(
                InputError(
                    "no live entry at this site",
                    where="--site",
                    found=name,
                    expected=", ".join(sorted(known)),
                    hint=hint,
                )
            )
    if errors:
        raise errors[0] if len(errors) == 1 else InputErrors(errors)
    return served
