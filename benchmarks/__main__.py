"""Run benchmarks, show the table, append a JSON line per figure to ``benchmarks/results.jsonl``.

A benchmark is a module of this package with a function ``figures()`` that yields :class:`Figure`. Each runs
in a fresh process, so that memory and imports of one do not count for another.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
NOT_BENCHMARKS = {"__init__", "__main__", "figures"}


def names() -> list[str]:
    return sorted(p.stem for p in HERE.glob("*.py") if p.stem not in NOT_BENCHMARKS and not p.stem.startswith("_"))


def run_one(name: str) -> None:
    """In the child: print a JSON line per figure."""
    module = importlib.import_module(f"benchmarks.{name}")
    for figure in module.figures():
        print(json.dumps(dataclasses.asdict(figure) | {"met": figure.met, "ratio": figure.ratio}), flush=True)


def run_all(wanted: list[str]) -> int:
    from rich.console import Console
    from rich.table import Table

    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 180)
    table = Table(title="Benchmarks", title_justify="left")
    for column in ("benchmark", "figure"):
        table.add_column(column)
    for column in ("value", "target"):
        table.add_column(column, justify="right")
    table.add_column("met")
    for column in ("rival", "ratio"):
        table.add_column(column, justify="right")
    table.add_column("note", overflow="fold")
    failed = missed = 0
    for name in wanted or names():
        console.print(f"[dim]{name} …[/]")
        child = subprocess.run(
            [sys.executable, "-m", "benchmarks", "--one", name], stdout=subprocess.PIPE, text=True, cwd=HERE.parent
        )
        for line in child.stdout.splitlines():
            if not line.startswith("{"):
                continue
            row = json.loads(line)
            record(name, row)
            missed += row["met"] is False
            table.add_row(name, *cells(row))
        if child.returncode:
            failed += 1
            table.add_row(name, f"[red]failed with exit code {child.returncode}[/]")
    console.print(table)
    return 2 if failed else int(missed > 0)


def record(name: str, row: dict[str, object]) -> None:
    about = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    with RESULTS.open("a") as file:
        file.write(json.dumps(about | row) + "\n")


def cells(row: dict[str, object]) -> list[str]:
    figure = Figure(**{field.name: row[field.name] for field in dataclasses.fields(Figure)})  # type: ignore[arg-type]
    sign = "≤" if figure.better == "less" else "≥"
    met = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[figure.met]
    return [
        figure.name,
        f"{figure.value:,.4g} {figure.unit}",
        "" if figure.target is None else f"{sign} {figure.target:,.4g} {figure.unit}",
        met,
        "" if figure.rival_value is None else f"{figure.rival}: {figure.rival_value:,.4g} {figure.unit}",
        "" if figure.ratio is None else f"{figure.ratio:,.1f} ×",
        figure.note,
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        run_one(sys.argv[2])
    else:
        sys.exit(run_all(sys.argv[1:]))
