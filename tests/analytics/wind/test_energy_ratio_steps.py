from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from workbench.analytics.wind.energy_ratio import energy_uplift
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks


def test_ratios_as_fields(made_farm):
    found = get_step("energy_ratio")(made_farm.turbines, replicates=20)
    assert (found["energy_ratio_low"] < found["energy_ratio"]).all()
    assert (found["energy_ratio"] < found["energy_ratio_high"]).all()
    with remarks() as told:
        one = get_step("energy_ratio")(made_farm.turbines, replicates=20, reference=["T2"])
    assert one["energy_ratio"].isnull().values.tolist() == [False, True, False, False]
    assert told == ["T2: the only reference, which has no ratio to itself"]
    with pytest.raises(InputError, match="farm of one turbine"):
        get_step("energy_ratio")(made_farm.turbines.isel(asset=[0]))


@pytest.fixture(scope="module")
def improved(made_farm):
    """T3 makes 5 % more in every second day."""
    data = made_farm.turbines.copy()
    day = data["time"].values.astype("datetime64[D]").astype(np.int64)
    on = (day % 2).astype(float)
    more = np.where(data["asset"].values == "T3", 1 + 0.05 * on[:, None], 1.0)
    return data.assign(power_output=data["power_output"] * more, on=("time", on))


def test_a_known_uplift_by_its_state(improved):
    found = get_step("energy_ratio_uplift")(improved, test=["T3", "T4"], state="on", replicates=40)
    uplift, low, high = (found[f"energy_ratio_uplift{ending}"].values for ending in ("", "_low", "_high"))
    assert np.isnan(uplift).tolist() == [True, True, False, False]
    assert uplift[2] == pytest.approx(0.05, abs=0.01)
    assert low[2] < 0.05 < high[2]
    assert low[3] < 0 < high[3]  # nothing was done to it
    on = improved["on"].values == 1
    by_hand = energy_uplift(improved.isel(time=~on), improved.isel(time=on), ["T3"], ["T1", "T2"], replicates=40).total
    assert [uplift[2], low[2], high[2]] == [by_hand["ratio"], by_hand["low"], by_hand["high"]]
    assert found["energy_ratio_uplift"].attrs["units"] == "1"
    again = get_step("energy_ratio_uplift")(improved, test=["T3", "T4"], state="on", replicates=40)
    assert again["energy_ratio_uplift_low"].equals(found["energy_ratio_uplift_low"])


def test_by_time_and_what_is_in_between_does_not_count(improved):
    time = improved["time"].values
    middle = time[len(time) // 2].astype("datetime64[D]")
    rising = improved.copy(deep=True)
    rising["power_output"] = improved["power_output"].where(
        (improved["time"] < middle) | (improved["asset"] != "T1"), improved["power_output"] * 0.9
    )
    step = get_step("energy_ratio_uplift")
    given = {"test": ["T1"], "when": str(middle), "replicates": 20}
    found = step(rising, **given)["energy_ratio_uplift"].sel(asset="T1").item()
    assert found == pytest.approx(-0.1, abs=0.03)
    until = str(middle + np.timedelta64(10, "D"))
    broken = rising.copy(deep=True)
    there = (broken["time"] >= middle) & (broken["time"] < np.datetime64(until))
    broken["power_output"] = broken["power_output"].where(~there, 0.0)
    one, other = (step(data, **given, until=until)["energy_ratio_uplift"].sel(asset="T1") for data in (rising, broken))
    assert one.item() == other.item()
    # a date as YAML reads it
    as_date = step(rising, **given | {"when": dt.date.fromisoformat(str(middle))})["energy_ratio_uplift"]
    assert as_date.sel(asset="T1").item() == found


def test_what_cannot_be_compared(improved):
    step = get_step("energy_ratio_uplift")
    with pytest.raises(InputError, match="either the time"):
        step(improved, test=["T3"])
    with pytest.raises(InputError, match="either the time"):
        step(improved, test=["T3"], when="2011-06-01", state="on")
    with pytest.raises(InputError, match="one side has no slot") as caught:
        step(improved, test=["T3"], when="1999-01-01")
    assert caught.value.found == "none before or without"
    with pytest.raises(InputError, match="one side has no slot"):
        step(improved.assign(on=improved["on"] * 0), test=["T3"], state="on")
    with pytest.raises(InputError, match="no such turbine"):
        step(improved, test=["T9"], state="on")
    with pytest.raises(InputError, match="farm of one turbine"):
        step(improved.isel(asset=[2]), test=["T3"], state="on")
    with pytest.raises(InputError, match="ends before it begins"):
        step(improved, test=["T3"], when="2011-06-01", until="2011-05-01")
    with pytest.raises(InputError, match="not a value for each time"):
        step(improved.assign(on=("asset", [1.0] * 4)), test=["T3"], state="on")
