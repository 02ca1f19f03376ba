"""The ``workbench`` command: thin, no logic.

Each command group is a module of its own, imported only when it is asked for, so that ``workbench --help``
answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

import workbench
from workbench.model.errors import InputError, SourceError, did_you_mean

# name -> (module, attribute, panel, one line of help). The line stands here so that the list of commands
# does not import their modules.
START, DATA, LIVE, FACES = "Start here", "Catalogs and data", "Live operation", "Pages and reports"
COMMANDS: dict[str, tuple[str, str, str, str]] = {
    "demo": ("demo", "demo", START, "A simulated portfolio live in the browser, nothing to configure."),
    "init": ("init", "init", START, "Lay out a project of your own: catalogs, portfolio, reports, pages."),
    "catalog": ("catalog", "app", DATA, "List, show, read and check the entries of the catalogs."),
    "ingest": ("ingest", "ingest", DATA, "Take nested JSON or NDJSON messages into the store."),
    "store": ("store", "app", DATA, "Look into the telemetry store, verify and mend it, export from it."),
    "check": ("check", "check", DATA, "Check pipelines: every error at once, with its line."),
    "explain": ("explain", "explain", DATA, "Print the plan of a pipeline: what each step reads, adds and assumes."),
    "run": ("run", "run", DATA, "Run a pipeline on a file, an entry of the catalogs or the store."),
    "steps": ("steps", "app", DATA, "List and show the steps that pipelines are made of."),
    "schema": ("explain", "schema", DATA, "The JSON schema of pipeline files, for completion in an editor."),
    "vocabulary": ("vocabulary", "app", DATA, "The names, units and states everything is written in."),
    "collect": ("collect", "collect", LIVE, "Read every live source of the catalogs into the store."),
    "status": ("status", "status", LIVE, "Health of the collector and of each source."),
    "simulate": ("simulate", "simulate", LIVE, "Run the simulated plants and their protocol servers alone."),
    "schedule": ("schedule", "schedule", LIVE, "Run pipelines and reports when they are due."),
    "runs": ("schedule", "runs", LIVE, "What was run, when, and what came of it."),
    "certificates": ("certificates", "app", LIVE, "Certificates for encrypted connections; trust a server's."),
    "dashboards": ("dashboards", "dashboards", FACES, "Serve the live pages."),
    "report": ("report", "app", FACES, "List reports and run them for a period."),
}


#: An example of each group; those of its commands stand with the commands.
EXAMPLES = {
    "catalog": "workbench catalog show north_ridge.scada",
    "store": "workbench store info north_ridge",
    "steps": "workbench steps show rolling_statistics",
    "vocabulary": "workbench vocabulary show power_output",
    "certificates": "workbench certificates application --out certificates",
    "dashboards": "workbench dashboards --port 5010 --store data/demo/store",
    "report": "workbench report run wind_farm --site la_haute_borne --period 2015",
}


class _Group(TyperGroup):
    """Names the nearest command where there is none of a name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            near = did_you_mean(args[0], names)
            ctx.fail(f"No such command {args[0]!r}" + (f", {near}" if near else "."))
        return super().resolve_command(ctx, args)


class _LazyGroup(_Group):
    """Imports a command's module when the command is named; its help only lists them and imports none."""

    _listing = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, panel, line = COMMANDS[cmd_name]
        if self._listing:
            return typer.core.TyperCommand(cmd_name, help=line, short_help=line, rich_help_panel=panel)
        found: Any = getattr(importlib.import_module(f"workbench.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            group = found
            group.info.cls = _Group
            group.info.epilog = f"Example: `{EXAMPLES[cmd_name]}`"
        else:
            group = typer.Typer()
            group.command(cmd_name)(found)
        group.rich_markup_mode = (
            "markdown"  # anything else takes [K] for markup and breaks paragraphs as the source does
        )
        group._add_completion = False
        command: Any = get_command(group)
        command.name = cmd_name
        command.rich_help_panel = panel
        return command


app = typer.Typer(
    cls=_LazyGroup,
    name="workbench",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done; 1 done, but something is wrong with the data; 2 the input or the command is wrong.  \n"
        "`workbench COMMAND --help` shows the options of a command and an example."
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"workbench {workbench.__version__}")
        raise typer.Exit


@app.callback()
def root(
    project: str = typer.Option(
        "", "--project", metavar="DIR", help="The project to work in; otherwise found from the working directory."
    ),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Analytics workbench for operators of wind farms, solar plants and batteries.

    Every source is an entry in a catalog. A collector reads them and loses nothing. Live pages, notebooks
    and reports show what was measured.

    Start with `workbench demo`.
    """
    if project:
        os.environ["WORKBENCH_PROJECT"] = project


def main() -> None:
    """Run the command line; an error in the input ends with its message and exit code 2."""
    try:
        app()
    except (InputError, SourceError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has gone, as in `workbench … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # a folder that is a file, a disk that is full, a port that is taken
        told = InputError(error.strerror or str(error), file=error.filename)
        print(f"error: {told}", file=sys.stderr)
        sys.exit(2)
