"""Certificates for encrypted connections: our own for OPC UA and MQTT, and those of servers we decide to trust.

An OPC UA application has one self-signed *application instance certificate*; who speaks to it decides
whether to trust it (OPC 10000-2, 4.5 and OPC 10000-6, 6.2.2). It names the application's URI, and the hosts it
runs on, and says what its key is for: servers such as node-opcua refuse one that does not. A broker's
certificate is signed by an authority, which is made here too where there is no other.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

CLIENT_URI = "urn:workbench:client"
#: Bits of a key: the most that the policy Basic256Sha256 allows is 4096, the least 2048 (OPC 10000-7).
_BITS = 2048
#: Seconds to wait for a server's answer.
_PATIENCE = 5.0


@dataclass(frozen=True)
class CertificateFacts:
    """What a certificate says."""

    subject: str
    issuer: str
    uri: str | None
    hosts: tuple[str, ...]
    begins: datetime
    ends: datetime
    thumbprint: str  #: SHA-1 of its DER form, as OPC UA names a certificate
    sha256: str
    authority: bool

    @property
    def days_left(self) -> float:
        """Days until it ends; negative where it has."""
        return (self.ends - datetime.now(UTC)).total_seconds() / 86_400


@dataclass(frozen=True)
class MadeCertificate:
    """Files of a new certificate; ``der`` for what wants it in that form."""

    certificate: Path
    der: Path
    key: Path


def make_application(
    name: str,
    folder: Path,
    *,
    uri: str = CLIENT_URI,
    hosts: Sequence[str] = ("localhost", "127.0.0.1"),
    days: int = 1825,
) -> MadeCertificate:
    """An application instance certificate for OPC UA, self-signed, as ``<name>.pem``, ``.der`` and ``.key.pem``.

    Raises
    ------
    InputError
        A file is there already, or the folder cannot be written.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = _new_key()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri), *map(_host, hosts)]
    builder = _begin(subject, subject, key, days).add_extension(x509.SubjectAlternativeName(names), critical=False)
    usage = _usage(digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
                   key_cert_sign=True)  # fmt: skip
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = (
        builder.add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    return _write(name, folder, _sign(builder, key), key)


def make_authority(name: str, folder: Path, *, days: int = 3650) -> MadeCertificate:
    """A certificate authority of one's own, for brokers and their clients."""
    from cryptography import x509

    key = _new_key()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        _begin(subject, subject, key, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    return _write(name, folder, _sign(builder, key), key)


def make_signed(
    name: str, folder: Path, *, authority: Path, authority_key: Path, hosts: Sequence[str] = ("localhost", "127.0.0.1"),
    days: int = 825,
) -> MadeCertificate:  # fmt: skip
    """A certificate for a broker or a client of one, signed by an authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID

    signer = read_certificate(authority)
    try:
        signing_key: Any = serialization.load_pem_private_key(authority_key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise InputError("the authority's key cannot be read", file=authority_key, found=str(error)) from None
    key = _new_key()
    builder = (
        _begin(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), signer.subject, key, days)
        .add_extension(x509.SubjectAlternativeName([*map(_host, hosts)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, key_encipherment=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
    )
    return _write(name, folder, _sign(builder, signing_key, of=signer), key)


def read_certificate(path: Path) -> x509.Certificate:
    """A certificate from a PEM or DER file.

    Raises
    ------
    InputError
        It is neither.
    """
    try:
        return parse_certificate(path.read_bytes())
    except OSError as error:
        raise InputError("the certificate cannot be read", file=path, found=error.strerror or str(error)) from None
    except ValueError as error:
        raise InputError("not a certificate", file=path, found=str(error), expected="PEM or DER") from None


def parse_certificate(data: bytes) -> x509.Certificate:
    """A certificate from PEM or DER; raises ValueError."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(data) if b"-----BEGIN" in data else x509.load_der_x509_certificate(data)


def facts(certificate: x509.Certificate) -> CertificateFacts:
    """What a certificate says."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    except x509.ExtensionNotFound:
        uris, hosts = [], []
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        uri=uris[0] if uris else None,
        hosts=tuple(hosts),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        thumbprint=certificate.fingerprint(hashes.SHA1()).hex(":").upper(),  # noqa: S303  how OPC UA names it
        sha256=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        authority=authority,
    )


async def offered(url: str) -> list[x509.Certificate]:
    """The certificates that an OPC UA server shows to whoever asks; that says nothing about whether to trust it.

    Raises
    ------
    InputError
        It does not answer, or has none.
    """
    import asyncio

    from asyncua import Client, ua  # type: ignore[attr-defined]

    client = Client(url, timeout=_PATIENCE)
    try:
        async with asyncio.timeout(2 * _PATIENCE):
            endpoints = await client.connect_and_get_server_endpoints()
    except (ua.UaError, OSError, TimeoutError) as error:  # type: ignore[attr-defined]
        raise InputError("the server does not answer", where=url, found=str(error) or type(error).__name__) from None
    found = {bytes(end.ServerCertificate) for end in endpoints if end.ServerCertificate}
    if not found:
        raise InputError("the server has no certificate", where=url, expected="one with an encrypted endpoint")
    return [parse_certificate(data) for data in sorted(found)]


def keep(certificate: x509.Certificate, path: Path) -> Path:
    """Write a certificate as DER, for ``server_certificate`` of a catalog entry; never over another one."""
    from cryptography.hazmat.primitives import serialization

    data = certificate.public_bytes(serialization.Encoding.DER)
    if path.exists():
        if parse_certificate(path.read_bytes()) == certificate:
            return path
        raise InputError(
            "another certificate is trusted under this name",
            file=path,
            found=facts(read_certificate(path)).thumbprint,
            expected=facts(certificate).thumbprint,
            hint="if the server's certificate was renewed on purpose, remove the file first",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


# -- inside -----------------------------------------------------------------------------------------------


def _new_key() -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=_BITS)


def _begin(subject: x509.Name, issuer: x509.Name, key: RSAPrivateKey, days: int) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # the other side's clock may be a little behind
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _sign(
    builder: x509.CertificateBuilder, key: RSAPrivateKey, *, of: x509.Certificate | None = None
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    public = key.public_key() if of is None else of.public_key()
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)  # type: ignore[arg-type]
    return builder.sign(key, hashes.SHA256())


def _usage(**uses: bool) -> x509.KeyUsage:
    from cryptography import x509

    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**{name: uses.get(name, False) for name in every})


def _host(text: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(name: str, folder: Path, certificate: x509.Certificate, key: RSAPrivateKey) -> MadeCertificate:
    from cryptography.hazmat.primitives import serialization

    made = MadeCertificate(folder / f"{name}.pem", folder / f"{name}.der", folder / f"{name}.key.pem")
    for path in (made.certificate, made.der, made.key):
        if path.exists():
            raise InputError("there is such a file already", file=path, hint="choose another name or folder")
    folder.mkdir(parents=True, exist_ok=True)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # Nobody else may read the key, not even for the moment between making and protecting it.
    with os.fdopen(os.open(made.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.der.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    return made
