"""What is wrong with a catalog is told by file, line, entry and key, all of it at once."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.catalog import open_catalog
from workbench.catalog.spec import load_tagmap
from workbench.model.errors import InputError, InputErrors

from .conftest import CATALOG, LIVE, TAGS

Write = Callable[..., Path]


def told(folder: Path) -> str:
    """All errors as text, the folder left out."""
    return "\n".join(str(error) for error in open_catalog(folder).check()).replace(f"{folder}/", "")


def is_told(folder: Path, expected: str) -> None:
    assert told(folder) == textwrap.dedent(expected).strip()


def test_a_good_catalog_has_no_errors(folder: Path) -> None:
    assert told(folder) == ""


def test_unknown_key(write: Write) -> None:
    is_told(
        write("    cadence:", "    cadense:"),
        """
        hill.yaml:8: entries.scada.cadense: unknown key 'cadense'
          expected: one of asset_type, cadence, path, url, sha256, member, time, asset, columns, separator, decimal_comma, null_values, skip_rows, comment, encoding
          hint:     did you mean 'cadence'?
        """,
    )


def test_unknown_key_deep_inside(write: Write) -> None:
    is_told(
        write("time: when", "time: {column: when, zome: Europe/Paris}"),
        """
        hill.yaml:10: entries.scada.time.zome: unknown key 'zome'
          expected: one of column, format, zone, ambiguous, nonexistent, label
          hint:     did you mean 'zone'?
        """,
    )


def test_misspelt_common_key(write: Write) -> None:
    text = told(write("    description: Ten", "    descripton: Ten"))
    assert text.startswith("hill.yaml:6: entries.scada.descripton: unknown key 'descripton'")
    assert text.endswith("hint:     did you mean 'description'?")


def test_unknown_key_of_the_file(write: Write) -> None:
    is_told(
        write("description: One hill", "descripton: One hill"),
        """
        hill.yaml:2: descripton: unknown key 'descripton'
          expected: one of site, description, entries
          hint:     did you mean 'description'?
        """,
    )


def test_unknown_driver(write: Write) -> None:
    text = told(write("driver: csv", "driver: cvs"))
    assert text.startswith("hill.yaml:5: entries.scada.driver: unknown driver 'cvs'\n  expected: one of csv, ")
    assert text.endswith("hint:     did you mean 'csv'?")


def test_missing_driver(write: Write) -> None:
    text = told(write("    driver: csv\n", ""))
    assert text.startswith("hill.yaml:4: entries.scada: the key 'driver' is missing\n  expected: one of csv, ")


def test_missing_key(write: Write) -> None:
    is_told(write("    time: when\n", ""), "hill.yaml:4: entries.scada.time: the key 'time' is missing")


def test_bad_type(write: Write) -> None:
    is_told(
        write("    time: when", "    time: when\n    skip_rows: two"),
        """
        hill.yaml:11: entries.scada.skip_rows: input should be a valid integer, unable to parse string as an integer
          found:    'two'
        """,
    )


def test_bad_cadence(write: Write) -> None:
    is_told(
        write("cadence: 10min", "cadence: 10 parsecs"),
        """
        hill.yaml:8: entries.scada.cadence: not a duration: '10 parsecs'
          found:    '10 parsecs'
          expected: an ISO 8601 duration such as PT10M, P30D, P6M, or a short form such as 10min, 1s, 1h
        """,
    )


STORED = """\
site: hill
entries:
  kept:
    driver: store
    asset_type: wind_turbine
    cadence: 1s
"""


@pytest.mark.parametrize("text", [CATALOG, LIVE, STORED])
@pytest.mark.parametrize("cadence", ["1sec onds", "P1M", "0s"])
def test_bad_cadence_of_any_kind_of_entry(write: Write, text: str, cadence: str) -> None:
    import re

    found = told(write(text=re.sub(r"cadence: \w+", f"cadence: {cadence}", text)))
    assert ".cadence: " in found
    assert f"found:    '{cadence}'" in found
    assert found.count("hill.yaml:") == 1


@pytest.mark.parametrize("text", [CATALOG, LIVE, STORED])
def test_unknown_asset_type_names_the_nearest(write: Write, text: str) -> None:
    found = told(write(text=text.replace("asset_type: wind_turbine", "asset_type: wind_turbin")))
    assert ".asset_type: no such type of asset: 'wind_turbin'\n" in found
    assert found.endswith("hint:     did you mean 'wind_turbine'?")
    assert found.count("hill.yaml:") == 1  # the assets are not blamed


@pytest.mark.parametrize(
    "host", ["127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:99999", "':502'", "http://10.0.0.1", "'a b'", "'h:'"]
)
def test_bad_host(write: Write, host: str) -> None:
    found = told(write(text=LIVE.replace("127.0.0.1:1502", host)))
    assert found.startswith("hill.yaml:9: entries.live.host: not a host: ")
    assert found.count("hill.yaml:") == 1
    nested = told(write(text=LIVE.replace("T2: 2", f"T2: {{unit: 2, host: {host}}}")))
    assert nested.startswith("hill.yaml:10: entries.live.assets.T2.host: not a host: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "meter-7.example.org:502", "'[::1]:502'", "'::1'", "'[::1]'"])
def test_good_hosts(write: Write, host: str) -> None:
    assert told(write(text=LIVE.replace("127.0.0.1:1502", host))) == ""


def test_host_of_other_drivers(write: Write) -> None:
    mqtt = """\
        site: hill
        entries:
          mast: {driver: mqtt, asset_type: met_mast, cadence: 1s, tags: tags/m.yaml, host: "h:x", topic: a, assets: [MAST]}
          opc: {driver: opcua, asset_type: wind_turbine, cadence: 1s, tags: tags/o.yaml, url: "opc.tcp://h:x/", assets: {T1: A}}
        """
    folder = write(text=textwrap.dedent(mqtt))
    (folder / "tags" / "m.yaml").write_text("protocol: mqtt\ntags: {}\n")
    (folder / "tags" / "o.yaml").write_text("protocol: opcua\ntags: {}\n")
    found = told(folder)
    assert "hill.yaml:3: entries.mast.host: not a host: 'h:x'" in found
    assert "hill.yaml:4: entries.opc.url: not an address: " in found


@pytest.mark.parametrize("unit", [300, -1, "x"])
def test_bad_unit_id(write: Write, unit: object) -> None:
    found = told(write(text=LIVE.replace("T2: 2", f"T2: {unit}")))
    assert found.startswith("hill.yaml:10: entries.live.assets.T2: input should be ")
    assert found.count("hill.yaml:") == 1


def test_unknown_time_zone(write: Write) -> None:
    is_told(
        write("time: when", "time: {column: when, zone: Europe/Pariss}"),
        """
        hill.yaml:10: entries.scada.time.zone: unknown time zone 'Europe/Pariss'; did you mean 'Europe/Paris'?
          found:    'Europe/Pariss'
        """,
    )


def test_missing_file(write: Write) -> None:
    folder = write("data/scada.csv", "data/skada.csv")
    is_told(
        folder,
        """
        hill.yaml:9: entries.scada.path: no such file
          found:    data/skada.csv
          hint:     paths start from the folder of the catalog file
        """,
    )
    with pytest.raises(InputError) as caught:
        open_catalog(folder)["hill.scada"].read()
    assert str(caught.value).replace(f"{folder}/", "").startswith("hill.yaml:9: entries.scada.path: no such file\n")


def test_pattern_without_a_file(write: Write) -> None:
    assert "no file matches the pattern" in told(write("data/scada.csv", "data/2025-*.csv"))


def test_unknown_asset(write: Write) -> None:
    is_told(
        write("WT-2: T2", "WT-2: T22"),
        """
        hill.yaml:11: entries.scada.asset.names.WT-2: no asset 'T22' at hill in the portfolio
          expected: one of T1, T2
          hint:     did you mean 'T2'?
        """,
    )


def test_asset_of_another_type(write: Write) -> None:
    is_told(
        write("WT-2: T2", "WT-2: MAST"),
        """
        hill.yaml:11: entries.scada.asset.names.WT-2: MAST is not of type wind_turbine
          found:    met_mast
          expected: wind_turbine
        """,
    )


def test_unknown_site(write: Write) -> None:
    is_told(
        write("site: hill", "site: hil"),
        """
        hill.yaml:1: site: no site 'hil' in the portfolio
          expected: one of hill
          hint:     did you mean 'hill'?
        """,
    )


def test_unknown_variable(write: Write) -> None:
    is_told(
        write("wind: wind_speed", "wind: wind_sped"),
        """
        hill.yaml:14: entries.scada.columns.wind: 'wind_sped' is not in the vocabulary
          hint:     did you mean 'wind_speed'? A variable of your own is written {variable: …, units: …, own: true}
        """,
    )


def test_unfit_unit(write: Write) -> None:
    is_told(
        write("power_kW: power_output", "power_kW: {variable: power_output, units: kWh}"),
        """
        hill.yaml:13: entries.scada.columns.power_kW.units: unit 'kWh' does not fit power_output
          expected: a unit that converts to kW
        """,
    )


def test_unknown_state(write: Write) -> None:
    text = told(write("wind: wind_speed", "wind: {variable: turbine_status, states: {RUN: genrating}}"))
    assert text.startswith(
        "hill.yaml:14: entries.scada.columns.wind.states.RUN: 'genrating' is not a state of turbine_status"
    )
    assert text.endswith("hint:     did you mean 'generating'?")


def test_variable_given_twice(write: Write) -> None:
    assert "columns 'power_kW' and 'wind' both give 'wind_speed'" in told(
        write("power_kW: power_output", "power_kW: wind_speed")
    )


def test_own_variable_needs_units(write: Write) -> None:
    assert "a variable of your own needs units" in told(write("wind: wind_speed", "wind: {variable: mood, own: true}"))


def test_url_needs_a_checksum(write: Write) -> None:
    assert "url needs sha256" in told(write("path: data/scada.csv", "url: https://example.org/scada.csv"))


def test_only_web_addresses(write: Write) -> None:
    assert "not an http(s) address" in told(
        write("path: data/scada.csv", "url: file:///etc/passwd\n    sha256: " + "0" * 64)
    )


def test_environment_variable_not_set(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILL_FOLDER", "data")
    monkeypatch.delenv("HIL_FOLDER", raising=False)
    is_told(
        write("path: data/", "path: ${HIL_FOLDER}/"),
        """
        hill.yaml:9: entries.scada.path: the environment variable HIL_FOLDER is not set
          hint:     did you mean 'HILL_FOLDER'?
        """,
    )


def test_malformed_reference(write: Write) -> None:
    is_told(
        write("path: data/", "path: ${a b}/"),
        """
        hill.yaml:9: entries.scada.path: not a reference
          found:    ${a b}
          expected: ${NAME}, ${NAME:-default} or ${secret:NAME}
          hint:     write $$ for a plain $
        """,
    )


def test_duplicate_key(write: Write) -> None:
    assert told(write("    cadence: 10min", "    cadence: 10min\n    cadence: 1min")) == (
        "hill.yaml:9: entries.scada.cadence: the key occurs twice"
    )


def test_broken_yaml(write: Write) -> None:
    assert told(write("asset: {column", "asset: {{column")).startswith("hill.yaml:")


def test_not_a_catalog(write: Write) -> None:
    is_told(
        write(text="- a\n- b\n"),
        """
        hill.yaml: not a catalog
          found:    ['a', 'b']
          expected: a mapping with the key 'entries'
        """,
    )


def test_the_same_entry_in_two_files(write: Write) -> None:
    write(text=CATALOG, name="again.yaml")
    text = told(write())
    assert text == "hill.yaml:4: entries.scada: the entry hill.scada stands in again.yaml already"


def test_bad_entry_name(write: Write) -> None:
    assert "entries.Scada 1: not a good name for an entry" in told(write("  scada:", "  Scada 1:"))


def test_live_entry_without_tags(write: Write) -> None:
    text = told(write(text=LIVE.replace("    tags: tags/wtg.yaml\n", "")))
    assert "hill.yaml:3: entries.live: the key 'tags' is missing" in text


def test_missing_tag_map(write: Write) -> None:
    is_told(
        write(text=LIVE.replace("wtg.yaml", "wgt.yaml")),
        """
        hill.yaml:8: entries.live.tags: no such file
          found:    tags/wgt.yaml
          hint:     did you mean 'wtg.yaml'?
        """,
    )


def test_tag_map_with_an_unknown_variable(write: Write) -> None:
    folder = write(text=LIVE)
    (folder / "tags" / "wtg.yaml").write_text(TAGS.replace("wind_speed", "wind_speeed"))
    is_told(
        folder,
        """
        tags/wtg.yaml:4: tags.wind_speeed: 'wind_speeed' is not in the vocabulary
          hint:     did you mean 'wind_speed'?
          used by:  hill.live
        """,
    )


def test_tag_map_with_an_unknown_key_and_a_bad_unit(write: Write) -> None:
    folder = write(text=LIVE)
    (folder / "tags" / "wtg.yaml").write_text(TAGS.replace("type: uint16}", "typ: uint16}", 1))
    assert told(folder).startswith("tags/wtg.yaml:3: tags.power_output.typ: unknown key 'typ'\n  expected: one of ")
    (folder / "tags" / "wtg.yaml").write_text(TAGS.replace("scale: 0.01", "units: kW"))
    assert told(folder).startswith("tags/wtg.yaml:4: tags.wind_speed.units: unit 'kW' does not fit wind_speed")


def test_tag_map_of_another_protocol(write: Write, folder: Path) -> None:
    (folder / "tags" / "wtg.yaml").write_text("protocol: mqtt\ntags: {}\n")
    assert told(write(text=LIVE)).startswith("tags/wtg.yaml:1: protocol: a tag map for mqtt, not for modbus")
    (folder / "tags" / "wtg.yaml").write_text("protocol: modbuss\ntags: {}\n")
    with pytest.raises(InputError, match="did you mean 'modbus'"):
        load_tagmap(folder / "tags" / "wtg.yaml")


def test_live_entry_without_a_site(write: Write) -> None:
    assert "a live entry belongs to a site" in told(write(text=LIVE.replace("site: hill\n", "")))


def test_a_tag_map_used_twice_is_told_of_once(write: Write) -> None:
    folder = write(text=LIVE + LIVE.split("entries:\n")[1].replace("live:", "more:"))
    (folder / "tags" / "wtg.yaml").write_text(TAGS.replace("wind_speed", "wind_speeed"))
    assert told(folder).count("wind_speeed' is not in the vocabulary") == 1
    assert told(folder).endswith("used by:  hill.live, hill.more")


def test_all_errors_at_once(write: Write) -> None:
    text = CATALOG.replace("cadence:", "cadense:").replace("wind: wind_speed", "wind: wind_sped")
    text = text.replace("data/scada.csv", "${NOT_SET_ANYWHERE}").replace("site: hill", "site: hill\nowner: me")
    lines = [line for line in told(write(text=text)).splitlines() if line.startswith("hill.yaml")]
    assert [line.split(": ")[0] for line in lines] == ["hill.yaml:2", "hill.yaml:9", "hill.yaml:10"]


def test_a_wrong_entry_does_not_hide_a_good_one(write: Write) -> None:
    more = CATALOG.split("entries:\n")[1].replace("scada:", "wrong:").replace("driver: csv", "driver: cvs")
    catalog = open_catalog(write(text=CATALOG + more))
    assert catalog["hill.scada"].read().sizes == {"time": 4, "asset": 2}
    with pytest.raises(InputErrors, match="unknown driver 'cvs'"):
        catalog["hill.wrong"]


def test_unknown_entry(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_catalog(folder)["hill.skada"]
    assert (
        str(caught.value) == f"{folder}: no entry 'hill.skada' in the catalog\n  hint:     did you mean 'hill.scada'?"
    )


def test_get_gives_the_default_where_there_is_no_entry(write: Write) -> None:
    catalog = open_catalog(write())
    assert catalog.get("nope") is None
    assert catalog.get("nope", 5) == 5
    found = catalog.get("hill.scada")
    assert found is not None
    assert found.name == "hill.scada"
    with pytest.raises(InputError, match="unknown driver"):
        open_catalog(write("driver: csv", "driver: cvs")).get("hill.scada")


def test_an_unknown_parameter_names_the_nearest(folder: Path) -> None:
    entry = open_catalog(folder)["hill.scada"]
    with pytest.raises(InputError, match=r"hill\.scada: unknown parameter 'tme'") as caught:
        entry.read(tme="2024")
    assert "did you mean 'time'?" in str(caught.value)
    with pytest.raises(InputError, match="did you mean 'direct'"):
        entry.live(dirct=True)


def test_a_message_keeps_the_name_it_begins_with(write: Write) -> None:
    """An asset's name is not a sentence."""
    text = "site: hill\nentries:\n  opc: {driver: opcua, asset_type: wind_turbine, cadence: 1s, tags: t, assets: {T1: A}}\n"
    assert ": T1 needs a url" in told(write(text=text))


def test_no_such_catalog(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such catalog"):
        open_catalog(tmp_path / "nowhere")


def test_sources_tells_all_that_is_wrong_with_live_entries(write: Write) -> None:
    with pytest.raises(InputErrors, match="unknown key 'hosst'"):
        open_catalog(write(text=LIVE.replace("host:", "hosst:"))).sources()
