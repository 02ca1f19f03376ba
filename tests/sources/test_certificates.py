"""Certificates: what they say, who may read the key, and real servers that accept or refuse them."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from asyncua import Client, Server, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from typer.testing import CliRunner

from workbench.cli.certificates import app
from workbench.model.errors import InputError
from workbench.sources.certificates import (
    facts,
    keep,
    make_application,
    make_authority,
    make_signed,
    offered,
    read_certificate,
)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_an_application_certificate_says_what_opc_ua_wants(tmp_path: Path):
    from cryptography import x509

    made = make_application("plant", tmp_path, uri="urn:plant:client", hosts=["10.0.0.5", "gate.example.com"])
    certificate = read_certificate(made.certificate)
    assert certificate == read_certificate(made.der)
    about = facts(certificate)
    assert about.uri == "urn:plant:client"
    assert set(about.hosts) == {"10.0.0.5", "gate.example.com"}
    assert about.subject == about.issuer == "CN=plant"
    assert 1820 < about.days_left < 1826
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert usage.data_encipherment
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="such a file already"):
        make_application("plant", tmp_path)


def test_openssl_agrees(tmp_path: Path, require):
    require(shutil.which("openssl"), "no openssl here")
    root = make_authority("root", tmp_path)
    broker = make_signed("broker", tmp_path, authority=root.certificate, authority_key=root.key, hosts=["127.0.0.1"])
    said = subprocess.run(
        ["openssl", "verify", "-purpose", "sslserver", "-CAfile", root.certificate, broker.certificate],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    other = make_authority("other", tmp_path)
    wrong = subprocess.run(
        ["openssl", "verify", "-CAfile", other.certificate, broker.certificate], capture_output=True, check=False
    )
    assert wrong.returncode != 0


async def test_a_tls_connection_of_the_two(tmp_path: Path):
    root = make_authority("root", tmp_path)
    server = make_signed("broker", tmp_path, authority=root.certificate, authority_key=root.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    trusting = ssl.create_default_context(cafile=str(root.certificate))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    writer.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
    listening.close()


@pytest.fixture
async def secure_server(tmp_path: Path):
    server = Server()
    await server.init()
    url = f"opc.tcp://127.0.0.1:{free_port()}/plant"
    server.set_endpoint(url)
    uri = "urn:plant:server"
    await server.set_application_uri(uri)
    made = make_application("server", tmp_path / "server", uri=uri)
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await server.load_certificate(str(made.der))
    await server.load_private_key(str(made.key))
    async with server:
        yield url, made


async def test_a_server_is_trusted_by_its_thumbprint(secure_server, tmp_path: Path):
    url, made = secure_server
    (found,) = await offered(url)
    assert facts(found) == facts(read_certificate(made.der))
    kept = keep(found, tmp_path / "trusted" / "plant.der")
    assert keep(found, kept) == kept  # again: nothing
    other = make_application("other", tmp_path)
    with pytest.raises(InputError, match="another certificate is trusted"):
        keep(read_certificate(other.der), kept)
    mine = make_application("mine", tmp_path)
    client = Client(url)
    client.application_uri = "urn:workbench:client"
    await client.set_security(SecurityPolicyBasic256Sha256, mine.der, mine.key, None, kept)
    async with client:
        assert await client.nodes.server_state.read_value() == 0
    with pytest.raises(InputError, match="does not answer"):
        await offered(f"opc.tcp://127.0.0.1:{free_port()}")


async def test_the_commands(secure_server, tmp_path: Path):
    url, made = secure_server
    loop = asyncio.get_running_loop()

    async def invoke(*words):
        return await loop.run_in_executor(None, lambda: run(*words))

    shown = await invoke("trust", url)
    assert "Nothing is trusted yet" in shown.output
    thumbprint = facts(read_certificate(made.der)).thumbprint
    assert thumbprint in shown.output
    goal = tmp_path / "wtg.der"
    with pytest.raises(InputError, match="another certificate"):
        await invoke("trust", url, "--thumbprint", "00" * 20, "--out", goal)
    assert not goal.exists()
    done = await invoke("trust", url, "--thumbprint", thumbprint.replace(":", "").lower(), "--out", goal)
    assert "trusted" in done.output
    assert goal.exists()
    assert run("application", "--out", tmp_path / "c").exit_code == 0
    assert run("authority", "--out", tmp_path / "c").exit_code == 0
    assert run("signed", "broker", "--by", tmp_path / "c" / "authority.pem", "--out", tmp_path / "c").exit_code == 0
    assert run("show", tmp_path / "c" / "broker.pem").exit_code == 0
    assert run("application", "short", "--days", "5", "--out", tmp_path / "c").exit_code == 0
    late = run("show", tmp_path / "c" / "short.pem")
    assert late.exit_code == 1
    assert "5 days left" in late.output
    (tmp_path / "no.pem").write_text("no")
    with pytest.raises(InputError, match="not a certificate"):
        run("show", tmp_path / "no.pem")
