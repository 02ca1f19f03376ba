"""Attributes of the variables of a series, the statistics of ten minutes included."""

from __future__ import annotations

from typing import Any, NamedTuple

from workbench.model.samples import SeriesKey

#: Cadence of the statistics kept beside every faster series.
STATISTICS_CADENCE = "10min"


class Statistic(NamedTuple):
    """A statistic of a variable over a slot."""

    suffix: str
    cell_method: str
    words: str


STATISTICS = (
    Statistic("_min", "minimum", "minimum of"),
    Statistic("_max", "maximum", "maximum of"),
    Statistic("_std", "standard_deviation", "standard deviation of"),
    Statistic("_count", "sum", "number of good values of"),
)


def count_attrs() -> dict[str, Any]:
    """Attributes of ``sample_count``."""
    return {"long_name": "samples folded into the slot", "units": "1", "cell_methods": "time: sum"}


def base_of(name: str) -> tuple[str, Statistic | None]:
    """The variable a name speaks of, and the statistic it is: ``power_output_min`` → power_output, minimum."""
    from workbench.model.vocabulary import vocabulary

    words = vocabulary()
    if name not in words:
        for statistic in STATISTICS:
            base = name.removesuffix(statistic.suffix)
            if base != name and base:
                return base, statistic
    return name, None


def variable_attrs(name: str, key: SeriesKey) -> dict[str, Any]:
    """CF attributes of a variable of a series, from the vocabulary; a name it does not know gets bare ones."""
    from workbench.model.vocabulary import vocabulary

    words = vocabulary()
    base, statistic = base_of(name)
    attrs = words.attrs(base, key.asset_type)
    if key.cadence != STATISTICS_CADENCE:
        return attrs if statistic is None else words.attrs(name, key.asset_type)
    if statistic is None:
        term = words.get(base)
        held = term is not None and term.kind in {"status", "counter"}
        attrs["cell_methods"] = "time: point" if held else "time: mean"
        return attrs
    if base not in words:
        return words.attrs(name, key.asset_type)
    attrs["long_name"] = f"{statistic.words} {attrs.get('long_name', base)}"
    attrs["cell_methods"] = f"time: {statistic.cell_method}"
    for gone in ("iec61400_25", "valid_min", "valid_max", "valid_range", "flag_values", "flag_meanings"):
        attrs.pop(gone, None)
    if statistic.suffix == "_count":
        attrs["units"] = "1"
        attrs.pop("standard_name", None)
    return attrs
