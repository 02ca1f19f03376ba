"""Signature, encryption and trust of an OPC UA connection; and what a server says that does not let us in.

References
----------
OPC UA Part 2: Security Model (4.5 trust), Part 4: Services (7.39 StatusCode), release 1.05.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from asyncua import ua as asyncua_types
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from workbench.model.errors import BadValue
from workbench.sources.certificates import facts, read_certificate

ua: Any = asyncua_types

#: What our application is called, where its certificate does not say otherwise.
APPLICATION_URI = "urn:workbench:client"
#: Answers that speak of who we are, beside all that begin with BadCertificate.
_NOT_LET_IN = (
    "BadUserAccessDenied",
    "BadUserSignatureInvalid",
    "BadIdentityTokenInvalid",
    "BadIdentityTokenRejected",
    "BadIdentityChangeNotSupported",
    "BadSecurityChecksFailed",
    "BadSecurityPolicyRejected",
    "BadSecurityModeRejected",
    "BadApplicationSignatureInvalid",
    "BadNoValidCertificates",
    "BadPasswordChangeRequired",
    "BadAccountLocked",
)


class NotLetInError(Exception):
    """What we have to show for ourselves is not good, or the server is not the one we trust."""


class OpcUaSecurity(BaseModel):
    """Encryption and signature of an OPC UA connection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Literal["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = "Basic256Sha256"
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    certificate: str = Field(description="file of the client's certificate, PEM or DER")
    private_key: str = Field(description="file of the client's private key, PEM or DER")
    private_key_password: SecretStr | None = None
    server_certificate: str | None = Field(
        None, description="file of the server's certificate, as `certificates trust` keeps it; no other is spoken to"
    )
    trust_any: bool = Field(
        False, description="speak to, and send the password to, whoever answers; instead of `server_certificate`"
    )
    application_uri: str | None = Field(None, description="our URI; the one in the client's certificate if left out")

    @model_validator(mode="after")
    def _trusted(self) -> Self:
        if self.server_certificate is None and not self.trust_any:
            raise BadValue(
                "no server is trusted: whoever answers at the address would be told the password",
                expected="server_certificate: FILE",
                hint="workbench certificates trust URL keeps a server's certificate; or say trust_any: true",
            )
        if self.server_certificate is not None and self.trust_any:
            raise BadValue("server_certificate and trust_any contradict each other", expected="one of the two")
        return self


async def secure(client: Any, security: OpcUaSecurity) -> None:
    """Make ``client`` sign and encrypt, and speak to none but the trusted server.

    The files are read anew each time, so that a renewed certificate counts from the next try.

    Raises
    ------
    InputError
        A certificate cannot be read.
    NotLetInError
        Ours is not good any more, or not yet.
    """
    from asyncua.crypto import security_policies

    own = facts(read_certificate(Path(security.certificate)))
    now = datetime.now(UTC)
    if not own.begins <= now <= own.ends:
        raise NotLetInError(
            f"our certificate {security.certificate} is good from {own.begins:%Y-%m-%d} to {own.ends:%Y-%m-%d %H:%M} "
            "UTC only; workbench certificates application makes a new one"
        )
    if security.server_certificate is not None:
        read_certificate(Path(security.server_certificate))
    client.application_uri = security.application_uri or own.uri or APPLICATION_URI
    password = security.private_key_password
    await client.set_security(
        getattr(security_policies, f"SecurityPolicy{security.policy}"),
        Path(security.certificate),
        Path(security.private_key),
        None if password is None else password.get_secret_value(),
        security.server_certificate,
        getattr(ua.MessageSecurityMode, security.mode),
    )


def refusal(error: BaseException) -> str | None:
    """Why we were not let in, where ``error`` says so; None where it is of another kind."""
    if isinstance(error, NotLetInError):
        return str(error)
    if isinstance(error, ua.UaStatusCodeError):
        name, text = ua.status_codes.get_name_and_doc(error.code)
        return f"{text} ({name})" if name.startswith("BadCertificate") or name in _NOT_LET_IN else None
    return None
