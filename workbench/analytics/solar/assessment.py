"""All that is told of a solar plant, in one place: what a report, a page and a notebook show.

Nothing is worked out here that a function of this folder does not give. What cannot be told has its reason in
:attr:`Assessment.reasons`, under the name of the part. Clocks come first, as all that looks at the sun rests on them, then what is wrong
in the data, then the rest.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import xarray as xr

from workbench.analytics.calendar import Step, Window, window_of
from workbench.analytics.solar.assessment_faults import FaultsFound, find_faults
from workbench.analytics.solar.availability import Availability, solar_availability
from workbench.analytics.solar.capacity_test import CapacityTest, Method, capacity_test
from workbench.analytics.solar.cleaning import SoilingCost, soiling_cost
from workbench.analytics.solar.clock import solar_clock_shifts
from workbench.analytics.solar.degradation_soiling import DegradationSoiling, degradation_and_soiling
from workbench.analytics.solar.expected import expected_power
from workbench.analytics.solar.irradiance import irradiance_quality
from workbench.analytics.solar.kpi import Indicators, performance_indicators
from workbench.analytics.solar.loss_waterfall import solar_loss_waterfall, solar_losses
from workbench.analytics.solar.orientation import orientation_check
from workbench.analytics.solar.performance_index import daily_performance
from workbench.analytics.solar.plant_record import USED, beside_trackers, plant_record, with_expected
from workbench.analytics.solar.quality import (
    IRRADIANCE,
    POWER,
    solar_data_quality,
    solar_level_correction,
    solar_quality_table,
)
from workbench.analytics.solar.rating import coefficient_of, coordinate, power_name
from workbench.analytics.solar.soiling_steps import daily_energy, onto_slots
from workbench.analytics.solar.year_on_year import YearOnYear, year_on_year
from workbench.analytics.wind.clock_correction import SHIFT, clock_shift_correction, shifts_of
from workbench.model.errors import InputError
from workbench.steps import progress, progress_told, remark, remarks

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

T = TypeVar("T")
Facts = Mapping[str, float | str | bool]

#: Parts of an assessment in their order, in the words of a text.
PARTS = {
    "clocks": "clocks",
    "quality": "data quality",
    "orientation": "how the modules stand",
    "expected": "expected power",
    "degradation": "degradation and soiling",
    "cleaning": "cost of soiling and cleaning",
    "faults": "faults",
    "kpi": "key figures",
    "availability": "availability",
    "losses": "losses",
    "capacity": "capacity test",
}
#: Ratios of a level beyond which only units can be the cause.
_UNITS = 5.0


@dataclass
class Assessment:
    """What is known of a solar plant; a part that could not be told is None, with its reason.

    ``by`` is the step of the parts that go by periods. Names of datasets and their fields are those of the functions
    named.
    """

    window: Window
    tz: str
    by: Step
    price: float  #: of energy [currency/MWh]
    currency: str
    record: (
        xr.Dataset
    )  #: inverters with their weather, clocks and units put right, what is wrong flagged, with ``expected_power``
    power: str  #: field of the AC power
    irradiance: str = "irradiance_poa"  #: field of the irradiance in the plane that figures rest on
    clocks: pl.DataFrame | None = None  #: :func:`solar_clock_shifts` of the record
    quality: pl.DataFrame | None = None  #: :func:`solar_quality_table` of the window
    orientation: xr.Dataset | None = None  #: :func:`orientation_check` of the record, dims (asset)
    kpi: Indicators | None = None  #: :func:`performance_indicators` of the window
    kpi_by: Indicators | None = None
    degradation: DegradationSoiling | None = None  #: :func:`degradation_and_soiling` of the record
    year_on_year: YearOnYear | None = None  #: :func:`year_on_year` of the record
    daily: xr.Dataset | None = None  #: :func:`daily_performance` of the record
    cleaning: SoilingCost | None = None  #: :func:`soiling_cost` of the record, looking ahead from the window's end
    faults: FaultsFound | None = None  #: :func:`.assessment_faults.find_faults`; events that reach into the window
    availability: Availability | None = None  #: :func:`solar_availability` of the window
    availability_by: Availability | None = None
    losses: xr.Dataset | None = None  #: :func:`solar_losses` of the window, by ``by``
    capacity: CapacityTest | None = None  #: :func:`capacity_test` of the window
    capacity_method: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def data(self) -> xr.Dataset:
        """The record within the window."""
        return within(self.record, self.window)

    def waterfall(
        self, assets: Sequence[str] | None = None, periods: Sequence[int] | None = None
    ) -> pd.DataFrame | None:
        """:func:`solar_loss_waterfall` of all that was lost in the window, or of some inverters, or of some of its periods."""
        if self.losses is None:
            return None
        chosen = self.losses if assets is None else self.losses.sel(asset=list(assets))
        return solar_loss_waterfall(chosen if periods is None else chosen.isel(period=list(periods)))

    def attempt(self, name: str, work: Callable[[], T]) -> T | None:
        """What ``work`` gives; None, with the reason noted, where it cannot be told."""
        try:
            return work()
        except InputError as error:
            self.reasons.setdefault(name, reason_of(error))
            return None


def reason_of(error: InputError) -> str:
    """An error in one sentence."""
    more = [f"{word}: {text}" for word, text in (("found", error.found), ("expected", error.expected)) if text]
    return f"{error.message} ({'; '.join(more)})" if more else error.message


def within(data: xr.Dataset, window: Window) -> xr.Dataset:
    """The slots of ``data`` inside a half-open window [UTC]."""
    times = data["time"].values
    keep = (times >= window[0].to_datetime64()) & (times < window[1].to_datetime64())
    return data.isel(time=np.flatnonzero(keep))


def assess(
    inverters: xr.Dataset,
    *,
    window: Window | None = None,
    tz: str = "UTC",
    by: Step | None = None,
    weather: Sequence[xr.Dataset] = (),
    satellite: xr.Dataset | None = None,
    mppts: xr.Dataset | None = None,
    strings: xr.Dataset | None = None,
    trackers: xr.Dataset | None = None,
    meter: xr.Dataset | None = None,
    parents: Mapping[str, str] | None = None,
    feeds: Mapping[str, str] | None = None,
    lacking: Mapping[str, str] | None = None,
    facts: Facts | None = None,
    module: str | Mapping[str, float] | None = None,
    inverter: str | Mapping[str, float] | None = None,
    price: float = 60.0,
    currency: str = "EUR",
    cleaning_cost: float | None = None,
    contracted: float = 0.95,
    capacity_method: Method | None = None,
    target: float | None = None,
    level: float = 0.9,
    simulations: int = 1000,
    seed: int = 0,
    without: Sequence[str] = (),
    give_way: Callable[[], None] = lambda: None,
) -> Assessment:
    """Everything about a solar plant in a window of time, with all of its record for what wants a longer look.

    Parameters
    ----------
    inverters
        dims (time, asset): AC power [kW], and what else there is; facts of the inverters as coordinates, see
        :func:`.array_facts.array_facts`.
    window
        Half-open [UTC]; all of the record if left out. Clocks, quality, orientation, degradation and soiling are of the record up to the
        window's end.
    tz, by
        Clock and step of the parts that go by periods; days up to two months and months beyond them if left out.
    weather, satellite
        See :func:`.plant_record.plant_record`. The clocks of ``weather`` are put right as those of the inverters are.
    mppts, strings, trackers, parents, feeds
        What lies behind the inverters, and to which asset each belongs; see :func:`.assessment_faults.find_faults`.
    meter
        That of the inverters alone, see :func:`solar_availability`.
    lacking
        Why something was not given, in words, for the reasons.
    facts, module, inverter
        See :func:`.array_facts.array_facts`.
    price, currency
        Of energy [currency/MWh].
    cleaning_cost
        Of one cleaning of one inverter's modules [currency].
    contracted, capacity_method, target
        See :func:`capacity_test`; ASTM E2848 where the temperature of the air and the wind are known, else the ratio to expected power.
    level, simulations, seed
        Of the intervals.
    without
        Parts to leave out: names of :data:`PARTS`.
    give_way
        Called between the parts.

    Raises
    ------
    InputError
        No AC power, no times, or none in the window. What a part lacks is no error: see ``reasons``.
    """
    import pandas as pd

    power = power_name(inverters)
    if not inverters.sizes.get("time"):
        raise InputError("the inverters have no data", where="inverters", found="no times")
    window = window_of(inverters, window)
    inverters = inverters.isel(time=np.flatnonzero(inverters["time"].values < window[1].to_datetime64()))
    if not within(inverters, window).sizes["time"]:
        raise InputError(
            "the inverters have no data in the window", where="window", found=f"{window[0]} to {window[1]}"
        )
    if by is None:
        by = "month" if (window[1] - window[0]) > pd.Timedelta(62, "D") else "day"
    found = Assessment(window, tz, by, price, currency, inverters, power)

    around = list(weather)

    def clocks() -> None:
        right = found.attempt("clocks", lambda: _clocks(found, inverters))
        found.record = inverters if right is None else right
        around[:] = [_clock_of(part, tz) for part in around]

    def quality() -> None:
        if "quality" not in without:
            found.record, around[:] = _quality(found, around)
        found.record = plant_record(found.record, *around, *(() if satellite is None else (satellite,)))

    def expected() -> None:
        made = found.attempt(
            "expected", lambda: expected_power(found.record, facts=facts, module=module, inverter=inverter)
        )
        if made is not None:
            found.record = with_expected(found.record, made)
            found.irradiance = USED

    def losses() -> xr.Dataset:
        data = within(_with_faults(found), window)
        return solar_losses(
            data,
            facts=facts,
            module=module,
            inverter=inverter,
            power=power,
            price=price,
            currency=currency,
            by=by,
            tz=tz,
        )

    def faults() -> None:
        found.faults = found.attempt(
            "faults",
            lambda: find_faults(
                found.record, strings=strings, mppts=mppts, trackers=trackers, parents=parents, feeds=feeds,
                window=window, power=power, price=price / 1000.0, lacking=lacking,
            ),
        )  # fmt: skip
        spans = [] if found.faults is None else found.faults.tracker_spans
        before = found.record
        found.record = beside_trackers(before, spans)
        if found.record is not before and "expected" not in without:
            expected()

    def available(step: Step | None) -> Availability:
        near = None if meter is None else within(meter, window)
        return solar_availability(
            found.data, meter=near if near is not None and near.sizes["time"] else None, power=power,
            irradiance=found.irradiance, by=step, timezone=tz, price=price / 1000.0, currency=currency,
        )  # fmt: skip

    def figures(step: Step | None) -> Indicators:
        return performance_indicators(found.data, by=step, timezone=tz, power=power, irradiance=found.irradiance)

    work: dict[str, Callable[[], None]] = {
        "clocks": clocks,
        "quality": quality,
        "orientation": lambda: _orientation(found),
        "expected": expected,
        "degradation": lambda: _degradation(found, level, simulations, seed),
        "cleaning": lambda: _cleaning(found, cleaning_cost),
        "faults": faults,
        "kpi": lambda: _both(found, "kpi", figures),
        "availability": lambda: _both(found, "availability", available),
        "losses": lambda: setattr(found, "losses", found.attempt("losses", losses)),
        "capacity": lambda: _capacity(found, contracted, capacity_method, target, level),
    }
    for name in without:
        if name not in PARTS:
            raise InputError("no such part of an assessment", where="without", found=name, expected=", ".join(PARTS))
    with remarks() as said:
        for place, (name, part) in enumerate(work.items()):
            with _rising(place, len(work), PARTS[name]):
                if name in without:
                    found.reasons[name] = "left out"
                if name not in without or name == "quality":  # which puts the weather to the inverters
                    part()
            give_way()
        found.remarks = list(dict.fromkeys(said))
    return found


@contextlib.contextmanager
def _rising(place: int, of: int, what: str) -> Iterator[None]:
    """As :func:`workbench.steps.progress_part`, for a part of several functions: what it tells never falls."""
    outer, most = contextvars.copy_context(), [0.0]

    def hear(done: int, parts: int, doing: str) -> None:
        most[0] = max(most[0], min(done / max(parts, 1), 1.0))
        outer.run(progress, int(1000 * (place + most[0])), 1000 * of, ", ".join(filter(None, (what, doing))))

    with progress_told(hear):
        yield
    progress(1000 * (place + 1), 1000 * of, what)


def _clocks(found: Assessment, inverters: xr.Dataset) -> xr.Dataset:
    found.clocks = solar_clock_shifts(inverters, variable=found.power, tz=found.tz)
    known = found.clocks.filter(found.clocks["shift"].is_not_null())
    if not len(known):
        why = found.clocks["reason"].drop_nulls().to_list()
        raise InputError("no clock could be judged", where="clocks", found=why[0] if why else None)
    return _put_right(inverters, found.clocks)


def _put_right(data: xr.Dataset, table: pl.DataFrame) -> xr.Dataset:
    shift = shifts_of(table, data)
    if not bool((np.abs(np.nan_to_num(shift.values)) > 0).any()):
        return data
    right = clock_shift_correction(data.assign({SHIFT: shift}))
    return right.drop_vars(SHIFT, errors="ignore")


def _clock_of(part: xr.Dataset, tz: str) -> xr.Dataset:
    """Weather with its clock put right, where it tells one."""
    name = next((one for one in ("irradiance_poa", "irradiance_ghi") if one in part), "")
    if not name or "asset" not in part.dims:
        return part
    try:
        return _put_right(part, solar_clock_shifts(part, variable=name, tz=tz))
    except InputError as error:
        remark(f"clocks of the weather are taken as they are: {reason_of(error)}")
        return part


def _quality(found: Assessment, weather: Sequence[xr.Dataset]) -> tuple[xr.Dataset, list[xr.Dataset]]:
    """Inverters and weather with what is wrong flagged, each on its own grid; units and signs put right."""
    import polars as pl

    def one_of(part: xr.Dataset) -> xr.Dataset | None:
        return found.attempt("quality", lambda: _judged(part))

    judged = [one_of(part) for part in (found.record, *weather)]
    tables = [solar_quality_table(within(one, found.window)) for one in judged if one is not None]
    found.quality = pl.concat(tables) if tables else None
    one, *others = (old if new is None else new for old, new in zip((found.record, *weather), judged, strict=True))
    return one, others


def _judged(data: xr.Dataset) -> xr.Dataset:
    power = [name for name in POWER if name in data]
    light = [name for name in IRRADIANCE if name in data]
    if not power and not light:
        return data
    # of irradiance a level is the weather's: units are looked at where the expected power is made
    for names, level in ((power, True), (light, False)):
        if names:
            data = solar_data_quality(data, variables=names, level=level)
    for name in (*power, *light):
        # the end of a day at night, a little below zero, is no reversed sign
        low = data[name] < -0.1 * float(np.abs(data[name]).max())
        turned = bool(((data[f"{name}_sign"] < 0) & low).any())
        if turned or (name in power and bool((np.abs(np.log(data[f"{name}_level"])) > np.log(_UNITS)).any())):
            remark(f"data quality: reversed signs or other units of {name} are put right")
            data = solar_level_correction(data, variable=name, night_offset=False)
    placed = {"latitude", "longitude"} <= set(data.coords) and bool(np.isfinite(data["latitude"]).all())
    if placed and any(name in data for name in ("irradiance_ghi", "irradiance_dhi", "irradiance_dni")):
        return irradiance_quality(data)
    return data


def _orientation(found: Assessment) -> None:
    checked = found.attempt("orientation", lambda: orientation_check(found.record, variable=found.power))
    if checked is not None:
        names = [name for name in checked.data_vars if checked[name].dims == ("asset",)]
        found.orientation = checked[names]


def _index(found: Assessment) -> xr.Dataset:
    if found.irradiance not in found.record:
        raise InputError(
            "no irradiance in the plane of the modules", where="irradiance", found=found.reasons.get("expected")
        )
    data = found.record
    modules = coordinate(data, "dc_capacity")
    if np.isfinite(modules).all():
        data = data.assign_coords(rated_capacity=("asset", modules))
    gamma = coefficient_of(data, None, [])
    if "precipitation" in data and "precipitation_amount" not in data:
        hours = float((data["time"].values[1] - data["time"].values[0]) / np.timedelta64(3_600_000_000_000, "ns"))
        fallen = (data["precipitation"] * hours).assign_attrs({"units": "mm"})
        data = data.assign(precipitation_amount=fallen)
    return daily_performance(
        data, temperature_coefficient=float(np.nanmedian(gamma)), power=found.power, irradiance=found.irradiance
    )


def _degradation(found: Assessment, level: float, simulations: int, seed: int) -> None:
    found.daily = found.attempt("degradation", lambda: _index(found))
    daily = found.daily
    if daily is None:
        return
    told = found.attempt(
        "degradation", lambda: degradation_and_soiling(daily, simulations=simulations, seed=seed, level=level)
    )
    if told is None:
        return
    if not bool(told.rates["rate"].notnull().any()):
        found.reasons["degradation"] = "; ".join(
            dict.fromkeys(str(text) for text in told.rates["reason"].values if text)
        )
        return
    found.degradation = told
    found.year_on_year = found.attempt(
        "year_on_year", lambda: year_on_year(daily, simulations=simulations, seed=seed, level=level)
    )


def _cleaning(found: Assessment, cost: float | None) -> None:
    told = found.degradation
    if told is None:
        found.reasons["cleaning"] = f"soiling is not known: {found.reasons.get('degradation', 'left out')}"
        return
    energy = daily_energy(found.record, told.daily["soiling_ratio"], power=found.power)
    found.cleaning = found.attempt(
        "cleaning",
        lambda: soiling_cost(told, energy, price=found.price / 1000.0, cleaning_cost=cost, currency=found.currency),
    )
    ratio = onto_slots(told.daily["soiling_ratio"], found.record)
    attrs = {"units": "1", "long_name": "soiling ratio"}
    found.record = found.record.drop_vars(["soiling_ratio", "soiling_ratio_quality"], errors="ignore").assign(
        soiling_ratio=(("time", "asset"), ratio, attrs)
    )


def _with_faults(found: Assessment) -> xr.Dataset:
    """The record with the energies that faults took, as the losses take them."""
    if found.faults is None:
        return found.record
    return found.record.assign({f"{name}_loss": energy for name, energy in found.faults.charged.items()})


def _both(found: Assessment, name: str, work: Callable[[Step | None], T]) -> None:
    setattr(found, name, found.attempt(name, lambda: work(None)))
    if getattr(found, name) is not None:
        setattr(found, f"{name}_by", found.attempt(name, lambda: work(found.by)))


def _capacity(found: Assessment, contracted: float, method: Method | None, target: float | None, level: float) -> None:
    data = found.data
    air = any(name in data for name in ("ambient_temperature", "temperature"))
    chosen: Method = method or ("astm_e2848" if air and "wind_speed" in data else "expected")
    found.capacity_method = chosen

    def work() -> CapacityTest:
        if found.reasons.get("expected") and target is None:
            raise InputError(f"neither a target nor expected power: {found.reasons['expected']}", where="target")
        return capacity_test(
            data, method=chosen, contracted=contracted, target=target, level=level, power=found.power,
            irradiance=found.irradiance, timezone=found.tz,
        )  # fmt: skip

    found.capacity = found.attempt("capacity", work)
