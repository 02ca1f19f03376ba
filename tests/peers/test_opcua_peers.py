"""Our OPC UA source and a node-opcua server: in the open, and signed and encrypted with a user, trust explicit."""

from __future__ import annotations

import asyncio
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from peer import HERE, peer
from typer.testing import CliRunner

from workbench.cli.certificates import app
from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.model.tags import OpcUaMap
from workbench.sources.base import SourceError
from workbench.sources.certificates import facts, make_application, read_certificate
from workbench.sources.registry import driver

STEP = 200_000_000
PASSWORD = "wind & rain"
TAGS = OpcUaMap.model_validate(
    {
        "protocol": "opcua",
        "namespace": "urn:test:vendor",
        "tags": {
            "power_output": {"node": "Grid/ActivePower", "type": "int32", "units": "W", "scale": 100},
            "wind_speed": {"node": "Met/WindSpeed", "type": "float"},
            "ambient_temperature": {"node": "Met/Ambient", "type": "double", "units": "degF"},
            "turbine_status": {"node": "State", "type": "uint16", "states": {10: "generating", 20: "fault"}},
            "power_setpoint": {"node": "Grid/Setpoint", "type": "float", "writable": True},
        },
    }
)


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Certificates of both sides, all made by us; the server trusts the one client ``known``."""
    made = tmp_path_factory.mktemp("node-opcua")
    server = make_application("server", made, uri="urn:peer:node-opcua", hosts=["127.0.0.1", "localhost"])
    run("application", "known", "--out", made / "clients")
    make_application("stranger", made / "clients")
    for manager in ("pki", "users"):  # a key of its own would take node-opcua twenty seconds
        (made / manager / "own" / "private").mkdir(parents=True)
        shutil.copy(server.key, made / manager / "own" / "private" / "private_key.pem")
    (made / "pki" / "trusted" / "certs").mkdir(parents=True)
    shutil.copy(made / "clients" / "known.der", made / "pki" / "trusted" / "certs" / "known.der")
    return made


@pytest.fixture(scope="module")
def plain(node, folder):
    with peer(node, HERE / "opcua.js", "PORT", folder, "open") as made:
        yield made


@pytest.fixture(scope="module")
def secured(node, folder):
    with peer(node, HERE / "opcua.js", "PORT", folder, "secure") as made:
        yield made


def show(server, when: int, power: float = 1234.5, status: str = "Good") -> None:
    stamp = {"time": datetime.fromtimestamp(when / 1e9, UTC).isoformat()}
    server.show(
        **{
            "Grid/ActivePower": {"value": round(power * 10), **stamp},
            "Met/WindSpeed": {"value": 8.25, "status": status, **stamp},
            "Met/Ambient": {"value": 59.0, **stamp},
            "State": {"value": 10, **stamp},
        }
    )


def url(server) -> str:
    return f"opc.tcp://127.0.0.1:{server.port}/peer"


def source_of(server, **keys):
    keys = {"asset_type": "wind_turbine", "cadence": "200ms", "url": url(server), "publishing_interval": 0.05, **keys}
    keys = {"sampling_interval": 0, "assets": {"T1": "Park/T1"}, **keys}
    return driver("opcua").from_config("site.entry", "site", keys, TAGS)


@pytest.fixture(scope="module")
def trusted(secured, folder) -> Path:
    """The server's certificate, fetched and kept by ``workbench certificates trust``."""
    thumbprint = facts(read_certificate(folder / "server.der")).thumbprint
    goal = folder / "trusted.der"
    assert thumbprint in run("trust", url(secured))
    assert "trusted" in run("trust", url(secured), "--thumbprint", thumbprint, "--out", goal)
    return goal


def secret(folder: Path, trusted: Path | None, *, who: str = "known", **keys):
    """Keys of an entry with SignAndEncrypt and a user."""
    security = {
        "certificate": str(folder / "clients" / f"{who}.pem"),
        "private_key": str(folder / "clients" / f"{who}.key.pem"),
        **({} if trusted is None else {"server_certificate": str(trusted)}),
    }
    return {"user": "operator", "password": PASSWORD, "security": security | keys}


def values(sample) -> dict[str, float]:
    return dict(zip(sample.shape.variables, sample.values.tolist(), strict=True))


def came(sink) -> dict[int, float]:
    """Power by source time."""
    found = ((sample.time, values(sample)["power_output"]) for sample in sink.samples)
    return {when: power for when, power in found if not np.isnan(power)}


async def subscribe(server, source, sink, running, eventually) -> None:
    start = (time.time_ns() // STEP + 1) * STEP
    show(server, start)
    told = []
    async with running(source, sink):
        await eventually(lambda: start in came(sink), 15)
        for n in range(1, 11):
            when = start + n * STEP
            await asyncio.sleep(max(0.0, (when - time.time_ns()) / 1e9))
            show(server, when, 100.0 + n)
            told.append((when, 100.0 + n))
        await eventually(lambda: told[-1][0] in came(sink))
        assert source.health.device("T1").state == "ok"
        assert source.health.device("T1").missed == 0
    assert [(when, came(sink).get(when)) for when, _ in told] == told, "an update is missing"
    stamps = [s.time for s in sink.samples if not np.isnan(values(s)["power_output"])]
    assert len(stamps) == len(set(stamps)), "an update came twice"


async def test_subscribed_without_security(plain, sink, running, eventually):
    await subscribe(plain, source_of(plain), sink, running, eventually)


async def test_read_written_and_discovered(plain):
    now = (time.time_ns() // STEP - 10) * STEP  # before the set-point is written, which has a time of its own
    show(plain, now, status="UncertainSensorNotAccurate")
    source = source_of(plain)
    await source.write("T1", "power_setpoint", 1500.5)
    samples = await source.read()
    found = {name: value for sample in samples for name, value in values(sample).items() if not np.isnan(value)}
    assert (found["power_output"], found["wind_speed"], found["power_setpoint"]) == (1234.5, 8.25, 1500.5)
    assert found["ambient_temperature"] == pytest.approx(15.0)
    (sample,) = [sample for sample in samples if sample.time == now]
    flags = dict(zip(sample.shape.variables, sample.quality.tolist(), strict=True))
    assert {name for name, flag in flags.items() if flag} == {"wind_speed"}
    assert flags["wind_speed"] == Quality.UNCERTAIN
    assert {tag.address for tag in await source.discover(asset="T1")} >= {tag.node for tag in TAGS.tags.values()}


async def test_subscribed_with_sign_and_encrypt_and_a_user(secured, folder, trusted, sink, running, eventually):
    await subscribe(secured, source_of(secured, **secret(folder, trusted)), sink, running, eventually)


async def test_wrong_password_and_no_user(secured, folder, trusted):
    for keys in ({"password": "wrong"}, {"user": "somebody"}):
        with pytest.raises(SourceError, match="does not let us in"):
            await source_of(secured, **secret(folder, trusted) | keys).read()
    anonymous = secret(folder, trusted)
    del anonymous["user"], anonymous["password"]
    with pytest.raises(SourceError):
        await source_of(secured, **anonymous).read()
    with pytest.raises(SourceError):
        await source_of(secured).read()  # in the open, where there is no open door


async def test_a_client_that_the_server_does_not_trust(secured, folder, trusted, sink, running, eventually):
    source = source_of(secured, **secret(folder, trusted, who="stranger"), timeout=2.0)
    health = source.health.device("T1")
    async with running(source, sink):
        await eventually(lambda: health.state == "down", 15)
        assert "does not let us in" in health.last_error
        # the operator of the server trusts us now: no restart is needed
        shutil.copy(folder / "clients" / "stranger.der", folder / "pki" / "trusted" / "certs" / "stranger.der")
        for each in (folder / "pki" / "rejected").glob("*"):
            each.unlink()
        show(secured, time.time_ns())
        await eventually(lambda: health.state == "ok" and sink.samples, 15)


async def test_no_password_goes_to_a_server_that_is_not_the_trusted_one(secured, folder, tmp_path):
    with pytest.raises(InputError, match="no server is trusted") as caught:
        source_of(secured, **secret(folder, None))
    assert caught.value.where == "site.entry.security"
    assert "certificates trust" in str(caught.value.hint)
    any_server = source_of(secured, **secret(folder, None, trust_any=True))
    show(secured, time.time_ns())
    assert await any_server.read()
    other = make_application("impostor", tmp_path).der
    with pytest.raises(SourceError, match=r"cannot connect|does not let us in"):
        await source_of(secured, **secret(folder, other), timeout=1.0).read()


async def test_our_certificate_has_ended(secured, folder, trusted, tmp_path):
    old = make_application("old", tmp_path, days=0)  # begins an hour ago, and ends now
    security = {**secret(folder, trusted)["security"], "certificate": str(old.certificate), "private_key": str(old.key)}
    with pytest.raises(SourceError, match=r"does not let us in: our certificate .*old\.pem is good from"):
        await source_of(secured, **secret(folder, trusted) | {"security": security}).read()


async def test_a_server_that_is_killed_is_subscribed_again(secured, folder, trusted, sink, running, eventually):
    source = source_of(secured, **secret(folder, trusted))
    health = source.health.device("T1")
    show(secured, time.time_ns())
    async with running(source, sink):
        await eventually(lambda: sink.samples, 15)
        secured.kill()
        await eventually(lambda: health.state == "down", 15)
        secured.start()
        before = len(sink.samples)
        show(secured, time.time_ns())
        await eventually(lambda: len(sink.samples) > before and health.state == "ok", 15)
        assert health.reconnects == 1
