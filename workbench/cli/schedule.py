"""``workbench schedule`` and ``workbench runs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from workbench.pipelines.schedule import Scheduler


def schedule(
    list_: Annotated[bool, typer.Option("--list", help="Only say what is due when.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Run what is due now, and end: for cron or systemd.")] = False,
    kind: Annotated[str, typer.Option(help="pipeline or report: only those.")] = "",
) -> None:
    """Run pipelines and reports of the project when they are due, until it is ended.

    Pipelines say it by `schedule` (an ISO 8601 duration or a cron line), and by `missed` what becomes of runs that
    were missed while nothing ran: `latest`, `all` or `skip`. One run at a time of each. What was run is told by
    `workbench runs`.

    Example: `workbench schedule --list`
    """
    import logging

    from workbench.model.errors import InputError
    from workbench.pipelines.schedule import Scheduler, jobs_of
    from workbench.project import find_project

    project = find_project()
    if kind not in ("", "pipeline", "report"):
        raise InputError("no such kind", where="--kind", found=kind, expected="pipeline or report")
    jobs, errors = jobs_of(project)
    for error in errors:
        typer.echo(f"not run: {error}", err=True)
    found = Scheduler([job for job in jobs if kind in ("", job.kind)], project.store)
    if list_:
        _list(found)
        return
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, datefmt="%Y-%m-%d %H:%M:%S")
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # that a job still runs is no news
    if once:
        failed = False
        for job in found.jobs:
            for said in found.run_due(job):
                failed |= said.startswith("failed")
                typer.echo(f"{job.id}: {said}")
        raise typer.Exit(1 if failed else 0)
    _until_ended(found)


def _until_ended(found: Scheduler) -> None:
    import signal
    import threading

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with found.running():
        typer.echo(f"{len(found.jobs)} jobs; Ctrl-C ends it.")
        ended.wait()
    typer.echo("Ended.")


def _list(found: Scheduler) -> None:
    from rich.table import Table

    from workbench.cli._console import cells
    from workbench.cli._console import console as screen

    state, now = found.state(), found.now()
    table = Table("job", "every", "missed", "last", "next [UTC]", box=None, pad_edge=False)
    for job in found.jobs:
        table.add_row(
            *cells(
                job.id,
                f"{job.every}" + (f" ({job.zone})" if job.zone != "UTC" else ""),
                job.missed,
                state.get(job.id, "not yet")[:16].replace("T", " "),
                f"{job.after(now):%Y-%m-%d %H:%M:%S}",
            )
        )
    screen().print(table)


def runs(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="One run, whole: its lineage as OpenLineage has it.")
    ] = "",
    kind: Annotated[str, typer.Option(help="pipeline or report: only those.")] = "",
    name: Annotated[str, typer.Option(help="Only runs of this name.")] = "",
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for tools.")] = False,
) -> None:
    """What was run, when, and what came of it.

    Example: `workbench runs --kind pipeline --limit 5`
    """
    import orjson

    from workbench.model.errors import InputError
    from workbench.project import find_project
    from workbench.store import Records

    records = Records(find_project().store / "records.sqlite")
    try:
        found = records.runs(kind or None, name or None, limit=None if run else limit).to_dicts()
    finally:
        records.close()
    for one in found:
        one["parameters"], one["detail"] = orjson.loads(one["parameters"]), orjson.loads(one["detail"])
        one["status"] = _status(one)
    if run:
        chosen = [one for one in found if str(one["id"]).startswith(run)]
        if len(chosen) != 1:
            raise InputError("no such run" if not chosen else "several runs begin so", where="RUN", found=run)
        typer.echo(orjson.dumps(chosen[0], option=orjson.OPT_INDENT_2).decode())
        return
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    _table(found)


def _status(one: dict[str, Any]) -> str:
    """As it is noted; of one whose process is gone, that it was broken off."""
    import os
    import socket

    if one["status"] != "running" or one["detail"].get("host") != socket.gethostname():
        return str(one["status"])
    try:
        os.kill(int(one["detail"].get("process", 0)) or os.getpid(), 0)
    except ProcessLookupError:
        return "broken off"
    except PermissionError:
        pass
    return "running"


def _table(found: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from workbench.cli._console import cells
    from workbench.cli._console import console as screen

    table = Table("run", "kind", "name", "started [UTC]", "seconds", "status", "what", box=None, pad_edge=False)
    for one in found:
        seconds = (one["ended"] - one["started"]).total_seconds() if one["ended"] is not None else None
        outputs = one["detail"].get("outputs") or []
        what = one["detail"].get("error", "").split("\n")[0] or ", ".join(list(outputs)[:2])
        more = f" and {len(outputs) - 2} more" if len(outputs) > 2 and not one["detail"].get("error") else ""
        table.add_row(
            *cells(
                str(one["id"])[:8],
                one["kind"],
                one["name"],
                f"{one['started']:%Y-%m-%d %H:%M:%S}",
                "" if seconds is None else f"{seconds:.1f}",
                one["status"],
                what + more,
            )
        )
    if not found:
        screen().print("Nothing was run yet.")
        return
    screen().print(table)
