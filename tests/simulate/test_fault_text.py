"""Faults as a user writes them."""

from __future__ import annotations

import pytest

from workbench.model.errors import InputError
from workbench.simulate.fault_text import FaultFile, inject, load_faults, parse_fault
from workbench.simulate.faults import Fault, FaultBook

S = 10**9
NOW = 1_700_000_000 * S


def test_kind_and_asset_are_enough():
    assert parse_fault("outage:SV-INV02", NOW) == Fault("outage", "SV-INV02", NOW)


def test_magnitude_and_keys_in_any_order():
    assert parse_fault("hot_bearing:NR-T03:ramp=10min:25:variable=main_bearing_temp", NOW) == Fault(
        "hot_bearing", "NR-T03", NOW, None, 25.0, "main_bearing_temp", 600.0
    )
    assert parse_fault("curtailment:NR-GRID:0.5:after=30s:for=PT5M", NOW) == Fault(
        "curtailment", "NR-GRID", NOW + 30 * S, NOW + 330 * S, 0.5
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("outage", "not a fault"),
        ("outage:", "not a fault"),
        ("hot_baering:NR-T03", "did you mean 'hot_bearing'"),
        ("outage:A:much", "the magnitude is a number"),
        ("outage:A:1:2", "told twice"),
        ("outage:A:till=5min", "unknown key 'till'"),
        ("outage:A:for=long", "not a duration"),
    ],
)
def test_what_is_wrong_is_told(text, part):
    with pytest.raises(InputError) as caught:
        parse_fault(text, NOW)
    assert part in str(caught.value)


def test_a_file_of_faults(tmp_path):
    file = tmp_path / "faults.yaml"
    file.write_text("- outage:A\n- {kind: stuck_sensor, asset: B, variable: wind_speed, magnitude: 7.5, for: 1h}\n")
    assert load_faults(file, NOW) == [
        Fault("outage", "A", NOW),
        Fault("stuck_sensor", "B", NOW, NOW + 3600 * S, 7.5, "wind_speed"),
    ]
    for wrong in ["- {kind: outage}\n", "kind: outage\n", "- outage:A:x\n", "- [\n"]:
        file.write_text(wrong)
        with pytest.raises(InputError) as caught:
            load_faults(file, NOW)
        assert str(file) in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        load_faults(tmp_path / "none.yaml", NOW)


def test_a_fault_finds_its_plant(checkout):
    from workbench.model.assets import load_portfolio
    from workbench.simulate.service import build_plants

    site = load_portfolio(checkout / "catalogs" / "portfolio").sites["sun_valley"]
    plants = build_plants({"sun_valley": site}, 1, NOW)
    (fault,) = inject(plants, [parse_fault("outage:SV-BESS", NOW)])
    assert fault.magnitude == 1.0
    assert [record["kind"] for record in plants["sun_valley"].truth()] == ["outage"]
    with pytest.raises(InputError, match="SV-BESS"):
        inject(plants, [parse_fault("outage:SV-BES", NOW)])
    with pytest.raises(InputError, match="cannot happen"):
        inject(plants, [parse_fault("hot_bearing:SV-BESS", NOW)])


class Plant:
    """As much of a plant as faults need."""

    keys = {"x": (("SV-INV01", "SV-INV02"), ("total_ac_power",))}  # noqa: RUF012

    def __init__(self):
        self.faults = FaultBook({"SV-INV01": "inverter", "SV-INV02": "inverter"}, {"inverter": ["total_ac_power"]})

    def inject(self, fault):
        return self.faults.inject(fault)


def test_a_file_is_followed_while_the_plant_runs(tmp_path):
    path = tmp_path / "faults.yaml"
    path.write_text("- outage:SV-INV01\n")
    plant, said = Plant(), []
    file = FaultFile(path, {"sun_valley": plant}, said.append)
    file.load(NOW)
    file.look(NOW + S)
    assert [(one["asset"], one["start"], one["end"]) for one in plant.faults.truth()] == [("SV-INV01", NOW, None)]
    path.write_text("- outage:SV-INV01\n- {kind: curtailment, asset: SV-INV02, magnitude: 0.4, after: 5s}\n")
    file.look(NOW + 10 * S)
    assert [one["start"] for one in plant.faults.truth()] == [NOW, NOW + 15 * S]
    path.write_text("- {kind: curtailment, asset: SV-INV02, magnitude: 0.4, after: 5s}\n")
    file.look(NOW + 20 * S)
    assert [(one["asset"], one["end"]) for one in plant.faults.truth()] == [
        ("SV-INV01", NOW + 20 * S),
        ("SV-INV02", None),
    ]
    assert said == []
    # Wrong as a whole: nothing of it happens, and it is said once.
    path.write_text("- outage:SV-INV01:after=3s\n- outage:SV-INV77\n")
    file.look(NOW + 30 * S)
    file.look(NOW + 31 * S)
    assert len(plant.faults) == 2
    assert len(said) == 1
    assert "SV-INV77" in said[0]
    path.unlink()
    file.look(NOW + 40 * S)
    assert len(plant.faults) == 2
