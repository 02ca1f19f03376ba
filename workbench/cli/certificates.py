"""``workbench certificates``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.sources.certificates import CertificateFacts, MadeCertificate

app = typer.Typer(
    help="Make certificates for encrypted connections, look at them, trust a server's.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files.")]
Hosts = Annotated[list[str] | None, typer.Option("--host", help="Host name or address it is for; may be repeated.")]


@app.command()
def application(
    name: Annotated[str, typer.Argument(help="Name of the application, also of the files.")] = "workbench",
    out: Folder = Path("certificates"),
    uri: Annotated[str, typer.Option(help="Application URI.")] = "urn:workbench:client",
    host: Hosts = None,
    days: Annotated[int, typer.Option(min=1, help="How long it is good.")] = 1825,
) -> None:
    """Make the certificate with which we introduce ourselves to OPC UA servers, self-signed.

    Give NAME.der to the server's operator to trust; name NAME.pem and NAME.key.pem under `security` in the
    catalog entry. The key stays here and is readable by its owner only.

    Example: `workbench certificates application --out certificates`
    """
    from workbench.sources.certificates import make_application

    _tell(make_application(name, out, uri=uri, hosts=host or ("localhost", "127.0.0.1"), days=days))


@app.command()
def authority(
    name: Annotated[str, typer.Argument(help="Name of the authority, also of the files.")] = "authority",
    out: Folder = Path("certificates"),
    days: Annotated[int, typer.Option(min=1, help="How long it is good.")] = 3650,
) -> None:
    """Make a certificate authority of your own, for an MQTT broker and its clients.

    Example: `workbench certificates authority --out certificates`
    """
    from workbench.sources.certificates import make_authority

    _tell(make_authority(name, out, days=days))


@app.command()
def signed(
    name: Annotated[str, typer.Argument(help="Name of broker or client, also of the files.")],
    by: Annotated[Path, typer.Option("--by", metavar="FILE", help="The authority's certificate, NAME.pem.")],
    out: Folder = Path("certificates"),
    host: Hosts = None,
    days: Annotated[int, typer.Option(min=1, help="How long it is good.")] = 825,
) -> None:
    """Make a certificate for a broker or one of its clients, signed by an authority made here.

    Example: `workbench certificates signed broker --by certificates/authority.pem --host broker.example.com`
    """
    from workbench.sources.certificates import make_signed

    key = by.with_name(f"{by.stem}.key.pem")
    made = make_signed(name, out, authority=by, authority_key=key, hosts=host or ("localhost", "127.0.0.1"), days=days)
    _tell(made)


@app.command()
def show(file: Annotated[Path, typer.Argument(help="Certificate, PEM or DER.")]) -> None:
    """Show what a certificate says. Ends with 1 where it has ended or ends within 30 days.

    Example: `workbench certificates show certificates/workbench.pem`
    """
    from workbench.sources.certificates import facts, read_certificate

    about = facts(read_certificate(file))
    _show(about)
    if about.days_left < 30:
        raise typer.Exit(1)


@app.command()
def trust(
    url: Annotated[str, typer.Argument(help="OPC UA server, opc.tcp://host:port/path.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to keep the certificate in, for the catalog.")
    ] = None,
    thumbprint: Annotated[
        str, typer.Option(help="Thumbprint (SHA-1) the server's operator told you; without it nothing is trusted.")
    ] = "",
) -> None:
    """Fetch the certificate of an OPC UA server, and keep it where its thumbprint is the one you were told.

    Without --thumbprint it only shows what the server offers. Name the file as `server_certificate` under
    `security` in the catalog entry: then no other server can answer in its place.

    Example: `workbench certificates trust opc.tcp://10.0.0.5:4840 --thumbprint 3A:…:F0 --out certificates/wtg.der`
    """
    import asyncio

    from workbench.model.errors import InputError
    from workbench.sources.certificates import facts, keep, offered

    found = asyncio.run(offered(url))
    told = {facts(one).thumbprint: one for one in found}
    if thumbprint and out is None:
        raise InputError("where is the certificate to be kept?", where="--out", expected="a file, such as wtg.der")
    if not thumbprint or out is None:
        for one in found:
            _show(facts(one))
        print("\nNothing is trusted yet: ask the server's operator for its thumbprint, and give it with --thumbprint.")
        return
    wanted = thumbprint.replace(" ", "").upper()
    wanted = wanted if ":" in wanted else ":".join(wanted[i : i + 2] for i in range(0, len(wanted), 2))
    if wanted not in told:
        raise InputError(
            "the server shows another certificate", where=url, found=", ".join(told), expected=wanted,
            hint="do not trust it before its operator has explained why",
        )  # fmt: skip
    print(f"trusted: {keep(told[wanted], out)}")


def _tell(made: MadeCertificate) -> None:
    from workbench.sources.certificates import facts, read_certificate

    _show(facts(read_certificate(made.certificate)))
    for path, what in ((made.certificate, "certificate, PEM"), (made.der, "the same, DER"), (made.key, "private key")):
        print(f"{path}  {what}")


def _show(about: CertificateFacts) -> None:
    rows = {
        "subject": about.subject,
        "issuer": about.issuer if about.issuer != about.subject else "itself",
        "authority": "yes" if about.authority else "",
        "URI": about.uri or "",
        "hosts": ", ".join(about.hosts),
        "good": f"{about.begins:%Y-%m-%d} to {about.ends:%Y-%m-%d}, {about.days_left:,.0f} days left",
        "SHA-1": about.thumbprint,
        "SHA-256": about.sha256,
    }
    for name, value in rows.items():
        if value:
            print(f"{name:<10}{value}")
