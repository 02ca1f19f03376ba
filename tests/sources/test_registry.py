"""Drivers by name, configuration errors that name the place, and cheap imports."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from workbench.model.errors import InputError
from workbench.model.tags import ModbusMap, MqttMap, OpcUaMap
from workbench.sources import registry
from workbench.sources.base import Source, SourceConfig

MAPS = {
    "modbus": ModbusMap(protocol="modbus", tags={}),
    "opcua": OpcUaMap(protocol="opcua", tags={}),
    "mqtt": MqttMap(protocol="mqtt", time="time", tags={}),
    "tail": MqttMap(protocol="mqtt", time="time", tags={}),
}
GOOD = {
    "modbus": {"host": "127.0.0.1", "assets": {"A": 1}},
    "opcua": {"url": "opc.tcp://127.0.0.1:4840/", "assets": {"A": "WTG01"}},
    "mqtt": {"host": "127.0.0.1", "topic": "a/{asset}", "assets": ["A"]},
    "tail": {"path": "log.csv", "assets": ["A"]},
}
BASE = {"asset_type": "wind_turbine", "cadence": "1s"}


def test_all_drivers_are_known_and_make_sources():
    assert set(registry.drivers()) >= set(GOOD)
    for name, keys in GOOD.items():
        source = registry.driver(name).from_config(f"site.{name}", "site", BASE | keys, MAPS[name])
        assert isinstance(source, Source)
        assert source.site == "site"
        assert str(source.series) == "wind_turbine/1s"
        assert source.assets == ("A",)
        assert source.protocol == name


@pytest.mark.parametrize("name", list(GOOD))
def test_every_key_of_every_driver_is_documented_or_plain(name):
    config = registry.driver(name).Config
    assert issubclass(config, SourceConfig)
    plain = {"user", "password", "port", "mode"}
    assert [key for key, field in config.model_fields.items() if not field.description and key not in plain] == []


@pytest.mark.parametrize("name", list(GOOD))
def test_an_unknown_key_is_an_error_with_place_and_hint(name):
    keys = BASE | GOOD[name]
    wrong = keys | {"asets": keys["assets"]}
    with pytest.raises(InputError) as caught:
        registry.driver(name).from_config("site.entry", "site", wrong, MAPS[name])
    assert caught.value.where == "site.entry.asets"
    assert caught.value.hint == "did you mean 'assets'?"


@pytest.mark.parametrize("name", list(GOOD))
def test_the_tag_map_must_be_of_the_protocol(name):
    wrong = MAPS["opcua"] if name != "opcua" else MAPS["modbus"]
    for tagmap in (wrong, None):
        with pytest.raises(InputError, match=r"site\.entry\.tags"):
            registry.driver(name).from_config("site.entry", "site", BASE | GOOD[name], tagmap)


@pytest.mark.parametrize(
    ("name", "keys", "place"),
    [
        ("modbus", {"assets": {"A": 1}}, "no host for A"),
        ("modbus", {"host": "h", "assets": {"A": 300, "B": {"unit": 999}}}, "unit"),
        ("modbus", {"transport": "serial", "assets": {"A": 1}}, "device"),
        ("opcua", {"assets": {"A": "X"}}, "url"),
        ("mqtt", {"host": "h", "topic": "a/b", "assets": ["A", "B"]}, r"\{asset\}"),
        ("mqtt", {"host": "h", "topic": "a/#/b", "assets": ["A"]}, "#"),
        ("tail", {"path": "x.csv", "assets": ["A", "B"]}, "asset_path"),
    ],
)
def test_settings_without_sense_are_told(name, keys, place):
    with pytest.raises(InputError, match=place):
        registry.driver(name).from_config("site.entry", "site", BASE | keys, MAPS[name])


def test_unknown_driver_names_the_nearest():
    with pytest.raises(InputError) as caught:
        registry.driver("modbuss")
    assert caught.value.hint == "did you mean 'modbus'?"


def test_third_parties_are_found_by_entry_point(monkeypatch):
    class Point:
        name, value = "bacnet", "somewhere:Bacnet"

        def __init__(self, loads) -> None:
            self.loads = loads

        def load(self):
            return self.loads

    class Bacnet(Source):
        pass

    points = {"bacnet": Point(Bacnet), "wrong": Point(dict)}
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group, name=None: [p for n, p in points.items() if group == registry.GROUP and name in (None, n)],
    )
    registry.driver.cache_clear()
    assert "bacnet" in registry.drivers()
    assert registry.driver("bacnet") is Bacnet
    with pytest.raises(InputError, match="not a source"):
        registry.driver("wrong")
    registry.driver.cache_clear()


def test_names_of_drivers_load_no_library():
    code = (
        "import sys; from workbench.sources.registry import drivers; drivers();"
        "print([m for m in ('pymodbus', 'asyncua', 'paho', 'numba', 'xarray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.strip()
    assert not any(name in loaded for name in ("pymodbus", "asyncua", "paho")), loaded


def test_secrets_are_not_printed():
    config = registry.driver("mqtt").Config.model_validate(BASE | GOOD["mqtt"] | {"user": "u", "password": "hush"})
    assert "hush" not in repr(config)
