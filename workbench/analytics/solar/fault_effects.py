"""What the steps for faults of solar plants read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.solar.string_faults import FIELDS
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_WHOLE = "what is usual is learned from all the data that it runs on"


def _adds(name: str) -> dict[str, str | None]:
    return {f"{name}_fault": None, f"{name}_fault_loss": "kWh", f"{name}_index": "1"}


@effect("string_faults")
def _strings(known: Known, *, kind: str = "", **_: Any) -> Effect:
    kinds = [kind] if kind else [k for k, names in FIELDS.items() if names[0] in known or names[2] in known]
    names = FIELDS[kinds[0] if kinds else "string"]
    there = tuple(name for name in names if name in known)
    return Effect(
        reads=there or (names[0], names[2]), adds=_adds("string"), before=None, after=None, lazy=False, notes=(_WHOLE,)
    )
