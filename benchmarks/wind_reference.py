"""Wind performance at La Haute Borne beside the reference tool, OpenOA 3.2: the same figures, and what they cost.

Each row is a figure of ours, and its time. A figure's target is how far it may be off the reference (the published value,
or that of a run of the tool); of a time, the seconds asked for. The rival of a figure is what the reference is, that of a
time the CPU time of OpenOA for as many simulations, measured in the same run where there is one to run:
``WORKBENCH_OPENOA_PYTHON`` names a Python that has it (it does not install beside pandas 3), and
``WORKBENCH_OPENOA_EXAMPLES`` the folder of its examples (``project_ENGIE.py``, ``data/la_haute_borne``). Without them no
time of the tool is told, as it would be another machine's.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.figures import Cost, Figure

os.environ.setdefault("WORKBENCH_TEST_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
RUNS = 3


def function(module: str, name: str) -> Callable[..., Any]:
    """A function of ``workbench.analytics.wind``, looked for when it is needed."""
    found: Callable[..., Any] = getattr(importlib.import_module(f"workbench.analytics.wind.{module}"), name)
    return found


def figures() -> Iterator[Figure]:
    farm = la_haute_borne()
    rival = openoa()
    for row in ROWS:
        yield from row(farm, rival)


def la_haute_borne() -> SimpleNamespace:
    """Turbines and plant as OpenOA's example prepares them, and the two reanalyses."""
    import pytest

    from tests.analytics.wind import conftest

    data = Path(os.environ["WORKBENCH_TEST_DATA"])
    archive = conftest.archive.__wrapped__(data, lambda there, why: there or pytest.skip(why))
    scada = conftest.example_scada.__wrapped__(archive)
    return SimpleNamespace(
        turbines=scada,
        placed=conftest.example_turbines.__wrapped__(scada),
        vanes=conftest.example_vanes.__wrapped__(archive),
        plant=conftest.example_plant.__wrapped__(archive),
        reanalyses=conftest.reanalyses.__wrapped__(data, Path(__file__).parents[1], archive),
    )


def best(work: Callable[[], Any], runs: int = RUNS) -> tuple[Any, float]:
    """What ``work`` gives, and the least CPU time of a few runs [s]."""
    times = []
    for _ in range(runs):
        with Cost() as cost:
            found = work()
        times.append(cost.cpu)
    return found, min(times)


def value(name: str, ours: float, reference: float, unit: str, target: float, *, relative: bool, source: str) -> Figure:
    """A figure of ours, by how far it is off its reference."""
    off = float(abs(ours - reference)) / (abs(reference) if relative else 1.0)
    note = f"ours {ours:.9g} {unit}, reference {reference:.9g} ({source}), ratio {ours / reference:.6f}"
    return Figure(f"{name}: off the reference", off, "relative" if relative else unit, target=target, note=note)


def seconds(name: str, ours: float, target: float | None, rival: dict[str, float], key: str, note: str = "") -> Figure:
    """A time of ours; ``key`` is what the rival calls it."""
    theirs = rival.get(key)
    return Figure(
        name,
        ours,
        "CPU-s",
        target=target,
        rival="OpenOA 3.2" if theirs else None,
        rival_value=theirs,
        note=note if theirs else "OpenOA not run",
    )


# --- rows -------------------------------------------------------------------------------------------------------


def electrical(farm: SimpleNamespace, rival: dict[str, float]) -> Iterator[Figure]:
    losses = function("electrical_losses", "electrical_losses")
    meter = farm.plant["net_energy"].isel(asset=0)
    found, cpu = best(lambda: losses(farm.turbines, meter, simulations=3000, seed=1))
    source = "its tests, threshold 0.95"
    yield value("electrical losses", found.loss, 0.019994645742960393, "", 1e-4, relative=True, source=source)
    mean, std = found.summary.iloc[0][["mean", "std"]]
    yield value(
        "electrical losses, 3,000",
        mean,
        0.0200,
        "",
        5e-4,
        relative=False,
        source=f"published +- 0.70 %; ours {std:.2%}",
    )
    yield seconds("electrical losses, 3,000 simulations", cpu, None, rival, "electrical", "of OpenOA 300, times 10")


def plant_energy(farm: SimpleNamespace, rival: dict[str, float]) -> Iterator[Figure]:
    make, simulate = (function("plant_yield", name) for name in ("yield_data", "simulate_yield"))
    data = make(farm.plant, farm.reanalyses)
    _, cpu = best(lambda: simulate(data, simulations=10_000))
    yield seconds("AEP by months, 10,000 simulations", cpu, 0.1, rival, "aep", "of OpenOA 1,000, times 10")
    found, cpu = best(lambda: simulate(data, simulations=100_000, compatibility="openoa-3.2"), 1)
    mean = found.summary["mean"]
    source = "published with 20,000: 12.29"
    yield value(
        "AEP by months, 100,000", mean["annual_energy"] / 1e6, 12.30, "GWh", 0.05, relative=False, source=source
    )
    loss = 100 * mean["availability_loss"]
    yield value("availability loss, 100,000", loss, 1.17, "%", 0.01, relative=False, source="published with 20,000")
    yield seconds("AEP by months, 100,000 simulations", cpu, None, {}, "")


def daily_energy(farm: SimpleNamespace, rival: dict[str, float]) -> Iterator[Figure]:
    make, simulate = (function("yield_daily", name) for name in ("daily_data", "simulate_daily_yield"))
    for key, regression, number, published, std, products, inputs in (
        ("gam", "spline", 1000, 12.781636, 0.55, ["merra2", "era5"], {"temperature": True, "wind_direction": True}),
        ("gbm", "gradient_boosting", 20, 12.955753, 0.55, ["era5"], {"temperature": True}),
        ("etr", "extra_trees", 20, 12.938535, 0.55, ["merra2"], {}),
    ):
        data = make(farm.plant, farm.reanalyses, products=products)

        def run(data: Any = data, regression: str = regression, number: int = number, inputs: Any = inputs) -> Any:
            return simulate(data, regression=regression, simulations=number, compatibility="openoa-3.2", **inputs)

        found, cpu = best(run, 1)
        # five draws of a year have a standard error of 9.5 % / sqrt(5)
        source = f"its tests, 5 simulations, +- {std:.2f}"
        energy = found.summary.loc["long_term_energy", "mean"] / 1e6
        yield value(f"AEP by days, {regression}", energy, published, "GWh", 2 * std, relative=False, source=source)
        note = "of OpenOA 5 simulations, its search of settings included" if key in rival else ""
        yield seconds(f"AEP by days, {regression}, {number:,} simulations", cpu, None, rival, key, note)


def turbines(farm: SimpleNamespace, rival: dict[str, float]) -> Iterator[Figure]:
    fixed, simulate = (function("turbine_energy", name) for name in ("turbine_energy", "simulate_turbine_energy"))
    found = fixed(farm.turbines, farm.reanalyses, correlation=0.9, compatibility="openoa-3.2").summary["plant"]
    for name, reference in (("era5", 13513583.67), ("merra2", 13569887.73)):
        yield value(
            f"turbine energy, {name}", found[name], reference, "kWh", 1e-4, relative=True, source="a run of the tool"
        )
    _, cpu = best(lambda: simulate(farm.turbines, farm.reanalyses, simulations=75), 1)
    yield seconds("turbine energy, 75 simulations", cpu, 5.0, rival, "turbines", "of OpenOA 5, times 15")


def curve(farm: SimpleNamespace, rival: dict[str, float]) -> Iterator[Figure]:
    import numpy as np

    fit = function("curve_fits", "logistic")
    rng = np.random.default_rng(0)
    speed = rng.weibull(2.0, 100_000) * 8
    power = 2050 / (1 + np.exp(-(speed - 8.5) * 0.9)) + rng.normal(0, 60, len(speed))
    fit(speed[:1000], power[:1000])  # compiled, and imported
    _, cpu = best(lambda: fit(speed, power), 10)
    yield seconds("curve fit, 100,000 rows", cpu, 0.010, rival, "curve")


def wakes(farm: SimpleNamespace, rival: dict[str, float]) -> Iterator[Figure]:
    import numpy as np
    import pandas as pd

    fixed, simulate = function("wakes", "wake_losses"), function("wake_simulation", "simulate_wake_losses")
    placed = farm.placed
    table = Path(os.environ["WORKBENCH_TEST_DATA"]) / "wind" / "la_haute_borne_ws_speedup_factors.csv"
    example = {"direction_offset": 15.85, "direction_assets": ["R80711", "R80721", "R80736"], "no_wakes_from": 15.0}
    for name, factors, figures in (
        ("wake losses", None, {"period": [-11.727658, 10.898059, 4.065239, -1.910556, 0.340045],
                               "long_term": [-9.713340, 10.282598, 2.933038, -2.034775, 0.373332]}),
        ("wake losses, speed-ups", pd.read_csv(table, index_col="wd"),
                              {"period": [-0.077131, 2.223721, 0.278168, 4.298961, 1.670518],
                               "long_term": [0.482218, 2.671905, -0.158225, 3.490358, 1.610428]}),
    ):  # fmt: skip
        found = fixed(placed, farm.reanalyses, speed_ups=factors, compatibility="openoa-3.2", **example).summary
        for column, reference in figures.items():
            off = np.abs(100 * found[column].to_numpy() / np.array(reference) - 1)
            worst = int(np.argmax(off))
            text = f"its tests; of {found.index[worst]}, the farthest off of four turbines and the plant"
            yield value(
                f"{name}, {column.replace('_', ' ')}", 100 * found[column].iloc[worst], reference[worst], "%", 1e-4,
                relative=True, source=text,
            )  # fmt: skip
    simulate(placed, farm.reanalyses, simulations=2, **example)  # compiled
    found, cpu = best(lambda: simulate(placed, farm.reanalyses, simulations=100, **example))
    mean, std = (100 * found.summary.loc["plant", ("long_term", part)] for part in ("mean", "std"))
    note = f"of OpenOA 20, times 5; the long-term loss is {mean:.2f} +- {std:.2f} %"
    yield seconds("wake losses, 100 simulations", cpu, 5.0, rival, "wakes", note)


def yaw(farm: SimpleNamespace, rival: dict[str, float]) -> Iterator[Figure]:
    from workbench.analytics.wind import CosineBins

    look = function("yaw_misalignment", "static_yaw_misalignment")
    bins = CosineBins(wind_speeds=(4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0), least=50, power_coefficient=True)
    found = look(farm.vanes, compatibility="openoa-3.2", bins=bins, simulations=0).misalignment["yaw_misalignment"]
    for name, reference in zip(found["asset"].values, (1.221615, 3.192494, 1.253331, 2.871971), strict=True):
        ours = float(found.sel(asset=name))
        yield value(f"yaw misalignment, {name}", ours, reference, "degree", 0.01, relative=False, source="its tests")
    _, cpu = best(lambda: look(farm.vanes, compatibility="openoa-3.2", bins=bins, simulations=100), 1)
    yield seconds("yaw as OpenOA, 100 simulations of 4 turbines", cpu, 3.0, rival, "yaw", "of OpenOA 5, times 20")
    _, cpu = best(lambda: look(farm.vanes, simulations=100), 1)
    yield seconds("yaw by default, 100 simulations of 4 turbines", cpu, 3.0, rival, "yaw", "of OpenOA 5, times 20")


ROWS: list[Callable[[SimpleNamespace, dict[str, float]], Iterator[Figure]]] = [
    electrical,
    plant_energy,
    daily_energy,
    turbines,
    curve,
    wakes,
    yaw,
]

# --- the rival --------------------------------------------------------------------------------------------------

#: Run by a Python that has OpenOA: prints a JSON object of CPU seconds, scaled to as many simulations as ours where it ran fewer.
SCRIPT = """
import json, random, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np
import pandas as pd
sys.path.insert(0, sys.argv[1])
import project_ENGIE
from openoa.analysis import ElectricalLosses, MonteCarloAEP, TurbineLongTermGrossEnergy, WakeLosses
from openoa.utils.power_curve import functions

both = ["merra2", "era5"]
plant = project_ENGIE.prepare(sys.argv[1] + "/data/la_haute_borne", use_cleansed=False)
found = {}

def measured(key, work, scale=1.0):
    np.random.seed(42)
    random.seed(42)
    start = time.process_time()
    try:
        work()
    except Exception as error:
        print(key, error, file=sys.stderr)
        return
    found[key] = (time.process_time() - start) * scale

losses = ElectricalLosses(plant, UQ=True)
measured("electrical", lambda: losses.run(num_sim=300, uncertainty_correction_threshold=(0.9, 0.995)), 10.0)
aep = MonteCarloAEP(plant, reanalysis_products=both)
measured("aep", lambda: aep.run(num_sim=1000), 10.0)
energy = TurbineLongTermGrossEnergy(plant, UQ=True, num_sim=5)
measured("turbines", lambda: energy.run(reanalysis_products=both, uncertainty_scada=0.005), 15.0)
rng = np.random.default_rng(0)
speed = rng.weibull(2.0, 100_000) * 8
power = 2050 / (1 + np.exp(-(speed - 8.5) * 0.9)) + rng.normal(0, 60, len(speed))
measured("curve", lambda: functions.logistic_5_parametric(pd.Series(speed), pd.Series(power)))
# gradient boosting is left out: the search for its settings takes one to five minutes
for key, products, t, d in (("gam", both, True, True), ("etr", ["merra2"], False, False)):
    daily = MonteCarloAEP(
        plant, reanalysis_products=products, time_resolution="D", reg_model=key, reg_temperature=t, reg_wind_direction=d
    )
    measured(key, lambda: daily.run(num_sim=5))
plant.analysis_type.append("WakeLosses-scada")
plant.scada["WMET_HorWdDir"] = (plant.scada["WMET_HorWdDir"] + 15.85) % 360.0
wakes = WakeLosses(
    plant=plant, wind_direction_asset_ids=["R80711", "R80721", "R80736"], end_date="2015-11-25 00:00", UQ=True
)
measured("wakes", lambda: wakes.run(num_sim=20, no_wakes_ws_thresh_LT_corr=15.0, reanalysis_products=both), 5.0)
print(json.dumps(found))
"""


def openoa() -> dict[str, float]:
    """CPU seconds of OpenOA; nothing where there is none to run."""
    python, examples = (os.environ.get(f"WORKBENCH_OPENOA_{name}") for name in ("PYTHON", "EXAMPLES"))
    if not python or not examples:
        return {}
    done = subprocess.run([python, "-c", SCRIPT, examples], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    for figure in figures():
        print(figure)
