"""How fast the state of health falls, from its figures by month."""

from __future__ import annotations

import numpy as np
import xarray as xr

from workbench.model.errors import InputError

_FEWEST = 6  #: periods a trend is told from
_SHORTEST = 150.0  #: days from the first to the last of them
_YEAR = 365.25


def health_trend(health: xr.Dataset, *, level: float = 0.9) -> xr.Dataset:
    """Change of the state of health of each battery with time.

    Parameters
    ----------
    health
        dims (period, asset), what :func:`~workbench.analytics.storage.state_of_health` gives by months:
        ``state_of_health`` [%].
    level
        Of the interval.

    Returns
    -------
    xr.Dataset
        dims (asset): ``rate`` [%/year], the median of the slopes between any two periods (Theil-Sen), negative where it
        falls; ``lower``, ``upper``; ``periods`` it is told from; the text ``reason`` where there is none. What all periods
        share, such as the scale of the current, is in no slope and hence not in the interval.

    Raises
    ------
    InputError
        The health is not by periods, or the level is none.

    References
    ----------
    P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", Journal of the American Statistical
    Association 63, 1968, https://doi.org/10.1080/01621459.1968.10480934.
    """
    from scipy.stats import theilslopes

    if "state_of_health" not in health or "period" not in health["state_of_health"].dims:
        raise InputError(
            "the health is not by periods", where="health", found=", ".join(map(str, health.dims)),
            expected="state_of_health with dims (period, asset)", hint="state_of_health(data, by='month')",
        )  # fmt: skip
    if not 0 < level < 1:
        raise InputError("no level of an interval", where="level", found=level, expected="between 0 and 1")
    values = health["state_of_health"].transpose("period", "asset").values
    days = (health["period"].values - health["period"].values[:1]) / np.timedelta64(1, "D")
    table = np.full((3, values.shape[1]), np.nan)
    counts = np.zeros(values.shape[1], dtype=np.int64)
    reasons = np.full(values.shape[1], "", dtype=object)
    for column in range(values.shape[1]):
        known = np.isfinite(values[:, column])
        counts[column] = known.sum()
        span = float(np.ptp(days[known])) if known.any() else 0.0
        if counts[column] < _FEWEST or span < _SHORTEST:
            reasons[column] = (
                f"a state of health of {counts[column]} {'period' if counts[column] == 1 else 'periods'} over {span:.0f} days: a trend wants {_FEWEST} over "
                f"{_SHORTEST:.0f} days"
            )
            continue
        slope, _, low, high = theilslopes(values[known, column], days[known] / _YEAR, alpha=level)
        table[:, column] = slope, low, high
    names = {"rate": "change of the state of health", "lower": "lower end", "upper": "upper end"}
    return xr.Dataset(
        {
            name: ("asset", table[row], {"units": "%/year", "long_name": title})
            for row, (name, title) in enumerate(names.items())
        }
        | {"periods": ("asset", counts, {"units": "1"}), "reason": ("asset", reasons)},
        coords={"asset": health["asset"]},
        attrs={"level": level},
    )
