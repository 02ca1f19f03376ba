"""mosquitto as broker: passwords, TLS with certificates of ours, retained messages, a restart; all at QoS 1."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import orjson
import paho.mqtt.client as paho
import pytest
from harness import Told
from harness_mqtt import MqttHarness, find_mosquitto, message
from paho.mqtt.enums import CallbackAPIVersion

from workbench.sources.base import SourceError
from workbench.sources.certificates import MadeCertificate, make_authority, make_signed

MS = 1_000_000


class SecureHarness(MqttHarness):
    """mosquitto that lets in who has a password, over TLS, and gives each what its list says."""

    def __init__(self, folder: Path, root: MadeCertificate, own: MadeCertificate) -> None:
        super().__init__()
        self.root, self._passwords = root, folder / "passwords"
        self._passwords.touch(0o600)
        self.options = [
            "allow_anonymous false",
            f"password_file {self._passwords}",
            f"cafile {root.certificate}",
            f"certfile {own.certificate}",
            f"keyfile {own.key}",
            "max_queued_messages 100000",
            "autosave_interval 1",
        ]
        self.user = ("device", "of the device")
        self.let_in(*self.user)
        self.let_in("collector", "right")

    def let_in(self, user: str, password: str) -> None:
        program = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
        subprocess.run([program, "-b", str(self._passwords), user, password], check=True, capture_output=True)

    async def reload(self) -> None:
        """The broker reads its passwords anew, and is restarted: who is connected has to show a password again."""
        await self.stop()
        await self.start()

    async def device(self) -> paho.Client:
        if self._device is None:
            self._device = paho.Client(CallbackAPIVersion.VERSION2)
            self._device.username_pw_set(*self.user)
            self._device.tls_set(ca_certs=str(self.root.certificate))
            await asyncio.to_thread(self._device.connect, "127.0.0.1", self.port)
            self._device.loop_start()
        return self._device

    def config(self) -> dict[str, Any]:
        tls = {"ca_file": str(self.root.certificate)}
        return {**super().config(), "user": "collector", "password": "right", "tls": tls, "timeout": 2.0}


@pytest.fixture(scope="module")
def papers(tmp_path_factory) -> tuple[MadeCertificate, MadeCertificate, MadeCertificate]:
    """An authority, the broker's certificate signed by it, and an authority that has nothing to do with it."""
    folder = tmp_path_factory.mktemp("papers")
    root = make_authority("root", folder)
    own = make_signed("broker", folder, authority=root.certificate, authority_key=root.key)
    return root, own, make_authority("other", folder)


@pytest.fixture
async def broker(require, papers, tmp_path):
    require(find_mosquitto(), "mosquitto is not installed")
    require(shutil.which("mosquitto_passwd"), "mosquitto_passwd is not installed")
    made = SecureHarness(tmp_path, *papers[:2])
    await made.start()
    yield made
    await made.stop()
    made.clean()


def at(n: int) -> Told:
    return Told(n * 1000 * MS, power_output=100.0 + n)


async def test_read_and_run_with_password_and_tls(broker, sink, running, eventually):
    await broker.tell("T1", at(1))
    (sample,) = [sample for sample in await broker.source().read() if sample.asset == "T1"]
    assert sample.time == 1000 * MS
    source = broker.source()
    async with running(source, sink):
        await eventually(lambda: sink.of("T1"))
        for n in range(2, 12):
            await broker.tell("T1", at(n))
        await eventually(lambda: len(sink.of("T1")) >= 11)
        assert source.health.device("T1").state == "ok"
    assert sink.times("T1") == [n * 1000 * MS for n in range(1, 12)]


async def test_retained_messages_come_first_and_once(broker, sink, running, eventually):
    """The newest of each device is there as soon as somebody subscribes, and is nothing new after a reconnect."""
    for n, asset in enumerate(("T1", "T2"), 1):
        await broker.tell(asset, at(n))
        await broker.tell(asset, at(n + 10))
    source = broker.source()
    async with running(source, sink):
        await eventually(lambda: len(sink.samples) >= 2)
        await broker.reload()
        await eventually(lambda: source.health.device("T1").reconnects == 1)
        await broker.tell("T1", at(20))
        await eventually(lambda: 20_000 * MS in sink.times("T1"), 15)
        await asyncio.sleep(0.3)
    assert sink.times("T1") == [11_000 * MS, 20_000 * MS]
    assert sink.times("T2") == [12_000 * MS]


async def test_wrong_password_wrong_authority_and_no_encryption(broker, papers, tmp_path):
    await broker.tell("T1", at(1))
    for wrong in ({"password": "wrong"}, {"user": "nobody"}, {"user": None, "password": None}):
        with pytest.raises(SourceError, match=r"does not let us in.*[Nn]ot auth"):
            await broker.source(broker.config() | wrong).read()
    other = {"tls": {"ca_file": str(papers[2].certificate)}}
    with pytest.raises(SourceError, match=r"cannot connect.*certificate verify failed"):
        await broker.source(broker.config() | other).read()
    with pytest.raises(SourceError, match=r"cannot connect.*certificate verify failed"):
        await broker.source(broker.config() | {"tls": {}}).read()  # the system's authorities
    with pytest.raises(SourceError, match=r"cannot connect.*does not exist"):
        await broker.source(broker.config() | {"tls": {"ca_file": "nowhere.pem"}}).read()
    (broken := tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----")
    with pytest.raises(SourceError, match=r"cannot connect.*no good certificate or key in .*broken\.pem"):
        await broker.source(broker.config() | {"tls": {"ca_file": str(broken)}}).read()
    with pytest.raises(SourceError):
        await broker.source(broker.config() | {"tls": None, "timeout": 1.0}).read()


async def test_a_name_that_is_not_in_the_certificate(require, papers, tmp_path):
    require(find_mosquitto(), "mosquitto is not installed")
    root = papers[0]
    own = make_signed(
        "elsewhere", tmp_path, authority=root.certificate, authority_key=root.key, hosts=["broker.example.com"]
    )
    made = SecureHarness(tmp_path, root, own)
    await made.start()
    try:
        with pytest.raises(SourceError, match=r"cannot connect.*(IP address|ostname) mismatch"):
            await made.source().read()
        tls = {"ca_file": str(root.certificate), "check_name": False}
        with pytest.raises(SourceError, match="no message within"):  # let in; only that nobody has said anything
            await made.source(made.config() | {"tls": tls, "timeout": 1.0}).read()
    finally:
        await made.stop()
        made.clean()


async def test_a_broker_that_asks_for_our_certificate(broker, papers, tmp_path):
    root = papers[0]
    broker.options.append("require_certificate true")
    await broker.reload()
    with pytest.raises(SourceError):
        await broker.source().read()
    for name, days in (("collector", 10), ("expired", 0)):
        made = make_signed(name, tmp_path, authority=root.certificate, authority_key=root.key, days=days)
        files = {"certificate": str(made.certificate), "private_key": str(made.key)}
        source = broker.source(broker.config() | {"tls": {"ca_file": str(root.certificate), **files}, "timeout": 1.0})
        why = "no message within" if name == "collector" else "cannot connect|lost|expired"
        with pytest.raises(SourceError, match=why):
            await source.read()


async def test_a_password_that_expires_and_is_good_again(broker, sink, running, eventually):
    source = broker.source()
    health = source.health.device("T1")
    async with running(source, sink):
        await asyncio.sleep(0.3)
        await broker.tell("T1", at(1))
        await eventually(lambda: sink.of("T1"))
        broker.let_in("collector", "another")
        await broker.reload()
        await eventually(lambda: "does not let us in" in health.last_error, 15)
        assert health.state == "down"
        errors = health.errors
        await asyncio.sleep(2.0)
        assert health.state == "down"
        assert health.errors - errors <= 4, "tried without a pause"
        await broker.tell("T1", at(2))  # kept by the broker for us: the session is ours still
        broker.let_in("collector", "right")
        await broker.reload()
        await broker.tell("T1", at(3))
        await eventually(lambda: 3000 * MS in sink.times("T1"), 15)
        assert health.state == "ok"
        assert health.reconnects == 1
    assert sink.times("T1") == [1000 * MS, 2000 * MS, 3000 * MS]


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_broker_that_restarts_loses_nothing_and_says_nothing_twice(broker, sink, running, eventually, how):
    """QoS 1 and a session that lasts: what is published around the restart comes, each message once.

    Of a broker that is killed what was acknowledged to the device within the last second may be gone (mosquitto saves
    by the second here): the device waits as long before.
    """
    source = broker.source()
    sent: list[int] = []

    async def publish(count: int) -> None:
        for _ in range(count):
            told = at(len(sent) + 1)
            await broker.publish("site/T1/met", orjson.dumps(message(told)), retain=False)
            sent.append(told.time)

    async with running(source, sink):
        await asyncio.sleep(0.3)
        await publish(50)
        if how == "killed":
            await asyncio.sleep(2.5)
            broker._process.kill()
        await broker.stop()
        await eventually(lambda: source.health.device("T1").state == "down")
        await broker.start()
        await publish(50)  # before we are back: the broker keeps them
        await eventually(lambda: len(set(sink.times("T1"))) >= 100, 15)
        await publish(10)
        await eventually(lambda: len(sink.times("T1")) >= 110, 15)
        await asyncio.sleep(0.3)
    assert sink.times("T1") == sent


async def test_messages_that_were_not_durable_come_again_after_a_restart(broker, make_sink, running, eventually):
    """A collector that dies with the broker: what was not yet on disk is delivered to the next one."""
    lost = make_sink(durable=False)
    async with running(broker.source(), lost):
        await asyncio.sleep(0.3)
        for n in range(1, 21):
            await broker.publish("site/T1/met", orjson.dumps(message(at(n))), retain=False)
        await eventually(lambda: len(lost.samples) == 20)
    await broker.reload()
    again = make_sink()
    async with running(broker.source(), again):
        await eventually(lambda: len(again.samples) >= 20)
        await asyncio.sleep(0.3)
    assert again.times("T1") == [n * 1000 * MS for n in range(1, 21)]
