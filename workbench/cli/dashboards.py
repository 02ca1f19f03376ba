"""``workbench dashboards``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def dashboards(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on the loopback address; 0 takes a free one.")
    ] = 5006,
    browser: Annotated[bool, typer.Option(help="Open the portfolio page in your browser.")] = True,
    store: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Root of the store; default: the project's.")
    ] = None,
) -> None:
    """Serve the live pages.

    Serves every Panel app of the project's `dashboards` folder on 127.0.0.1, from this machine alone: fonts
    and scripts included. The pages show what `workbench collect` writes, as it arrives. Ctrl-C ends it.

    Example: `workbench dashboards --port 5010 --store data/demo/store`
    """
    import contextlib
    import webbrowser

    from workbench.display.server import create_server
    from workbench.logs import configure_logs

    configure_logs()
    server = create_server(port=port, store=store)
    typer.echo(f"Pages: {server.url}")
    typer.echo(f"Store: {server.live.root}")
    typer.echo("Ctrl-C ends it.")
    if browser:
        webbrowser.open(server.url)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
