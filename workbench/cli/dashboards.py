"""``workbench dashboards``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

dashboards = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@dashboards.callback()
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 5006,
    browser: Annotated[bool, typer.Option(help="Open the portfolio page in your browser.")] = True,
    store: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Root of the store; default: the project's.")
    ] = None,
    address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 is every network this machine is in.")
    ] = "127.0.0.1",
    without_sign_in: Annotated[
        bool, typer.Option("--without-sign-in", help="Listen beyond this machine although nobody has to sign in.")
    ] = False,
) -> None:
    """Serve the live pages and the wallboard.

    Serves every Panel app of the project's `dashboards` folder, to this machine alone unless `--address` says
    otherwise: fonts and scripts included. The pages show what `workbench collect` writes, as it arrives. Who has to
    sign in stands in the project's `access.yaml`; without it nobody has to. Ctrl-C ends it.
    """
    if context.invoked_subcommand is not None:
        return
    import contextlib
    import webbrowser

    from workbench.display.server import BOARD, create_server
    from workbench.logs import configure_logs

    configure_logs()
    server = create_server(port=port, store=store, address=address, without_sign_in=without_sign_in)
    typer.echo(f"Pages: {server.url}")
    typer.echo(f"Wallboard: {server.url.rsplit('/', 1)[0]}/{BOARD}")
    typer.echo(f"Store: {server.live.root}")
    if server.gate.closed:
        typer.echo("Sign-in: on")
    typer.echo("Ctrl-C ends it.")
    if browser:
        webbrowser.open(server.url)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()


@dashboards.command()
def password() -> None:
    """Print the hash of a password, for `access.yaml`.

    Asks for the password twice and shows neither; reads one line where it is not typed at a terminal.

    Example: `workbench dashboards password`
    """
    import sys

    from workbench.display.access import hash_password
    from workbench.model.errors import InputError

    if sys.stdin.isatty():
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if len(given) < 8:
        raise InputError("the password is too short", expected="at least 8 characters")
    typer.echo(hash_password(given))
