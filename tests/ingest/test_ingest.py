"""Messages into the store: queryable, never twice, all of a file or nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.catalog import open_site
from workbench.ingest import IngestReport, ingest
from workbench.ingest.flatten import flatten
from workbench.ingest.messages import read_messages
from workbench.ingest.run import report_rows
from workbench.model.assets import Portfolio
from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.model.vocabulary import vocabulary

from .conftest import SAMPLES

TakeIn = Callable[..., IngestReport]


def message(second: int = 0, **fields: Any) -> dict[str, Any]:
    return {"turbine_id": "T9", "farm_id": "My Farm", "timestamp": f"2025-01-01T00:00:{second:02d}Z"} | fields


def everything(store: Path, site: str) -> dict[str, Any]:
    """All that a reader can see of a site."""
    view = open_site(site, store, portfolio=Portfolio({}))
    data = {str(info.key): view.telemetry(info.key).compute().to_dict() for info in view.series()}
    return data | {"events": view.events().to_dicts(), "assets": [asset.id for asset in view.assets]}


@pytest.mark.parametrize(("name", "site"), [("wind_turbine", "wind_farm_01"), ("inverter", "solar_farm_02")])
def test_the_samples_are_queryable_with_units(store: Path, portfolio: Portfolio, name: str, site: str) -> None:
    path = SAMPLES[name]
    report = ingest([path], store, portfolio)
    view = open_site(site, store, portfolio=portfolio)
    readings = flatten(read_messages(path)[0]).readings
    assert report.values == sum(len(reading.values) for reading in readings)
    words = vocabulary()
    for reading in readings:
        data = view.telemetry(asset_type=reading.asset_type, cadence="1s", assets=reading.asset).compute()
        assert data["time"].values[0] == np.datetime64(reading.time // 10**9, "s")
        for variable, value in reading.values.items():
            assert data[variable].item() == pytest.approx(value, rel=1e-6), variable
            assert data[variable].attrs["units"] == words[variable].units
            if words[variable].states:
                assert "flag_meanings" in data[variable].attrs
        newest = view.latest(asset_type=reading.asset_type, cadence="1s").sel(asset=reading.asset)
        first = next(iter(reading.values))
        assert newest[f"{first}_time"].item() == reading.time  # the exact source time, not the slot's


def test_facts_of_assets_from_messages(store: Path, portfolio: Portfolio) -> None:
    ingest([SAMPLES["inverter"]], store, portfolio)
    view = open_site("solar_farm_02", store, portfolio=portfolio)
    strings = view.telemetry("string")
    assert strings["parent"].values.tolist() == ["SOLAR-FARM-02-INV-123"] * 2
    assert view.telemetry("inverter")["latitude"].values.tolist() == [36.7783]
    assert {asset.type for asset in view.assets} == {"inverter", "string", "mppt"}


def test_the_same_again_changes_nothing(store: Path, portfolio: Portfolio, tmp_path: Path) -> None:
    path = SAMPLES["wind_turbine"]
    ingest([path], store, portfolio)
    before = everything(store, "wind_farm_01")
    assert ingest([path, path], store, portfolio).known == 2
    # the same message from another file, written otherwise
    other = tmp_path / "other.ndjson"
    other.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))) + "\n")
    assert ingest([other], store, portfolio).known == 1
    assert repr(everything(store, "wind_farm_01")) == repr(before)


def test_a_growing_file(take_in: TakeIn, store: Path) -> None:
    take_in(message(0, wind_speed=5))
    report = take_in(message(0, wind_speed=5), message(1, wind_speed=6))
    assert (report.messages, report.known, report.values) == (2, 1, 1)
    data = open_site("my_farm", store, portfolio=Portfolio({})).telemetry("wind_turbine").compute()
    assert data["wind_speed"].values[:, 0].tolist() == [5, 6]
    assert data["sample_count"].values[:, 0].tolist() == [1, 1]


def test_an_asset_of_the_portfolio_goes_to_its_site(take_in: TakeIn, store: Path, portfolio: Portfolio) -> None:
    report = take_in(message(turbine_id="T1", wind_speed=5))
    assert report.sites == {"hill"}
    assert report.new_sites == set()
    assert open_site("hill", store, portfolio=portfolio).telemetry("wind_turbine")["farm_id"].values.tolist() == [
        "hill"
    ]


def test_farm_id_is_that_of_the_message(take_in: TakeIn, store: Path) -> None:
    take_in(
        message(wind_speed=5, mppt_data=[{"mppt_id": "M1", "input_power": 3}]),
        message(1, turbine_id="T8", rotor_speed=1),
    )
    view = open_site("my_farm", store, portfolio=Portfolio({}))
    assert view.telemetry("wind_turbine")["farm_id"].values.tolist() == ["My Farm", "My Farm"]
    assert view.telemetry("mppt")["farm_id"].values.tolist() == ["My Farm"]  # that of the asset above it
    assert {asset.site for asset in view.assets} == {"my_farm"}


def test_the_site_of_all_messages(take_in: TakeIn) -> None:
    assert take_in(message(wind_speed=5), site="hill").sites == {"hill"}
    with pytest.raises(
        InputError, match="no site 'hil' in the portfolio\n  expected: one of hill\n  hint:     did you mean 'hill'"
    ):
        take_in(message(wind_speed=5), site="hil")


def test_no_site_at_all(take_in: TakeIn) -> None:
    with pytest.raises(InputError, match=r"m\.ndjson:1: the message names no site"):
        take_in({"turbine_id": "T9", "timestamp": "2025-01-01T00:00:00Z", "wind_speed": 5})


def test_another_type_than_in_the_portfolio(take_in: TakeIn) -> None:
    with pytest.raises(InputError, match="T1 is not of type inverter\n  found:    wind_turbine in the portfolio"):
        take_in({"inverter_id": "T1", "timestamp": "2025-01-01T00:00:00Z", "total_ac_power": 5})


def test_own_variables_keep_their_unit(take_in: TakeIn, store: Path) -> None:
    report = take_in(message(0, grease_level=7, grease_level_unit="mm"))
    assert report.own == {"grease_level": "mm"}
    data = open_site("my_farm", store, portfolio=Portfolio({})).telemetry("wind_turbine")
    assert data["grease_level"].attrs["units"] == "mm"
    with pytest.raises(
        InputError, match=r"the unit of grease_level at my_farm changes\n  found:    cm\n  expected: mm"
    ):
        take_in(message(1, grease_level=1, grease_level_unit="cm"))


def test_unknown_states_are_flagged_and_reported(take_in: TakeIn, store: Path) -> None:
    report = take_in(message(turbine_status="dancing", wind_speed=5))
    assert report.states == {"turbine_status=dancing"}
    view = open_site("my_farm", store, portfolio=Portfolio({}))
    data = view.telemetry("wind_turbine").compute()
    assert data["turbine_status_quality"].item() == int(Quality.INVALID)
    assert view.events()["value"].to_list() == ["dancing"]


def test_cadence(take_in: TakeIn, store: Path) -> None:
    take_in(message(7, wind_speed=5), cadence="10min")
    [info] = open_site("my_farm", store, portfolio=Portfolio({})).series()
    assert str(info.key) == "wind_turbine/10min"
    with pytest.raises(InputError):
        take_in(message(7, wind_speed=5), cadence="now and then")


def test_several_in_one_slot_are_counted(take_in: TakeIn, store: Path) -> None:
    early, late = message(wind_speed=1), message(wind_speed=2)
    early["timestamp"], late["timestamp"] = "2025-01-01T00:00:00.100Z", "2025-01-01T00:00:00.900Z"
    take_in(late, early)
    data = open_site("my_farm", store, portfolio=Portfolio({})).telemetry("wind_turbine").compute()
    assert data["wind_speed"].item() == 2
    assert data["sample_count"].item() == 2


def test_what_a_later_one_replaced_is_reported(take_in: TakeIn) -> None:
    messages = [
        message(0, wind_speed=1),
        message(1, wind_speed=2),
        message(2, rotor_speed=3),
        message(12, wind_speed=4),
    ]
    report = take_in(*messages, cadence="10s")
    assert report.overwritten == 1  # the second replaced the first; the third said something else
    assert dict(report_rows(report))["replaced by a later one in their slot"].startswith("1 samples")
    assert take_in(*messages, message(13, wind_speed=5), cadence="1s", name="n").overwritten == 0


def test_gaps_and_doubles_are_reported(take_in: TakeIn, store: Path) -> None:
    double = [{"string_id": "S", "power": 1}, {"string_id": "S", "power": 2}]
    report = take_in(message(power_output="n/a", wind_speed=5), message(1, strings=double))
    assert report.wrong
    rows = dict(report_rows(report))
    assert rows["texts where numbers belong, flagged"] == "power_output=n/a"
    assert rows["names twice in a message, numbered"] == "T9/S"
    view = open_site("my_farm", store, portfolio=Portfolio({}))
    data = view.telemetry("wind_turbine").compute()
    assert data["power_output_quality"].values[0, 0] == int(Quality.INVALID)
    assert view.telemetry("string").sizes["asset"] == 2


@pytest.mark.parametrize("form", ["list", "ndjson", "gzip", "bom"])
def test_forms_of_files(tmp_path: Path, store: Path, portfolio: Portfolio, form: str) -> None:
    messages = [message(second, wind_speed=second) for second in range(3)]
    path = tmp_path / "m.json"
    text = json.dumps(messages, indent=1) if form == "list" else "\n\n".join(map(json.dumps, messages)) + "\n"
    if form == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8-sig" if form == "bom" else "utf-8")
    assert ingest([path], store, portfolio).values == 3


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['{"a": 1}', "", '{"broken'], ":3: not JSON"),
        ([json.dumps(message(0, wind_speed=5)), json.dumps(message(1)), "[1]"], ":3: not a message"),
        (
            [json.dumps(message(0, wind_speed=5)), json.dumps(message(1) | {"timestamp": "x"})],
            ":2: timestamp: the time cannot be read",
        ),
        (["no json at all"], ":1: not JSON"),
        (["{", '"a": 1,', '"b" 2}'], ":3: not JSON"),
        (
            ["{", '"turbine_id": "A", "farm_id": "F",', '"timestamp": "x"', "}"],
            ":3: timestamp: the time cannot be read",
        ),
        (  # a line is told only where it is sure
            [
                "{",
                '"turbine_id": "A", "farm_id": "F", "timestamp": "2025-01-01T00:00Z",',
                '"a": {"wind_speed": 1}, "b": {',
                '"wind_speed": 2, "wind_speed_unit": "kW"}',
                "}",
            ],
            ": b.wind_speed: the unit of wind_speed does not fit",
        ),
        (["", "{", '"farm_id": "F"', "}"], ":2: the message names no asset"),
        (['"text"'], ":1: not a message"),
        ([""], ": the file is empty"),
    ],
)
def test_bad_files_change_nothing(
    take_in: TakeIn, store: Path, tmp_path: Path, lines: list[str], expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        take_in(*lines)
    assert str(caught.value).startswith(f"{tmp_path}/m.ndjson{expected}")
    assert not store.exists()


def test_a_missing_file(tmp_path: Path, store: Path, portfolio: Portfolio) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: no such file"):
        ingest([tmp_path / "nowhere.json"], store, portfolio)


def test_an_interrupted_run_is_made_up_for(take_in: TakeIn, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events could not be written; the next run does it, and values are the same."""
    from workbench.store import Records

    whole = message(wind_speed=5, alarms=[{"code": "A1"}])
    with monkeypatch.context() as patch:
        patch.setattr(Records, "add_events", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            take_in(whole)
    assert take_in(whole).known == 0
    view = open_site("my_farm", store, portfolio=Portfolio({}))
    assert view.events()["name"].to_list() == ["A1"]
    assert view.telemetry("wind_turbine")["wind_speed"].values.tolist() == [[5]]


def test_report(take_in: TakeIn) -> None:
    report = take_in(
        message(wind_speed=5, grease=1, mood="x", turbine_status="odd", alarms=[{"code": 1}], air_quality=2)
    )
    rows = dict(report_rows(report))
    assert rows["values"] == "4"
    assert rows["sites"] == "my_farm (not in the portfolio)"
    assert rows["assets"] == "1 wind_turbine"
    assert rows["records"] == "2 field, 1 alarm"
    assert rows["outside the vocabulary, kept"] == "air_quality_value [no unit], grease [no unit]"
    assert rows["stored under another name"] == "air_quality → air_quality_value"
    assert rows["texts kept as records"] == "mood, turbine_status"
    assert rows["states not in the vocabulary"] == "turbine_status=odd"
