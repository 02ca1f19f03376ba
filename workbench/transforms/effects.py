"""What each step reads and gives, told from its parameters alone: for checks and plans, before there is data.

Steps for telemetry, and those for both kinds of data; see :mod:`workbench.transforms.record_effects` for the others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from workbench.expressions import Expression, compile_expression
from workbench.expressions.nodes import Holds, Node, children
from workbench.model.errors import InputError
from workbench.model.quality import is_quality, quality_name
from workbench.model.time import parse_duration
from workbench.model.vocabulary import vocabulary
from workbench.steps import Effect, effect
from workbench.transforms.aggregate import Aggregation
from workbench.transforms.alerting import ALERTS, TIMES
from workbench.transforms.anomaly import IDS
from workbench.transforms.anomaly_models import MULTIVARIATE
from workbench.transforms.fields import Conversion, Standard, checked
from workbench.transforms.quality import COUNT, GAP, STUCK_RULES
from workbench.transforms.rolling import RollingFeature, window_label
from workbench.transforms.rules import Case, Indicator, QualityRule, rolled_name

Known = Mapping[str, str | None]


class Fields(dict[str, str | None]):
    """Fields and their units, and what else is known of them.

    Parameters
    ----------
    kind
        ``telemetry`` or ``records``; empty where that is open.
    apart
        Fields of telemetry that are no measured variables: attributes, facts of the assets, texts.
    """

    def __init__(self, given: Known = MappingProxyType({}), kind: str = "", apart: Collection[str] = ()) -> None:
        super().__init__(given)
        self.kind = kind
        self.apart = frozenset(apart)


def _records(known: Known) -> bool:
    return isinstance(known, Fields) and known.kind == "records"


def holds(node: Node) -> int:
    """How far back an expression looks [ns]: the lengths of its ``FOR``, one inside the other."""
    return (node.length if isinstance(node, Holds) else 0) + max((holds(each) for each in children(node)), default=0)


def _unit(name: str, known: Known) -> str | None:
    term = vocabulary().get(name)
    return known.get(name) or (term.units if term is not None else None)


def _length(text: str | None) -> int:
    return 0 if text is None else parse_duration(text).ns


def once(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in order."""
    return tuple(dict.fromkeys(names))


@effect("timestamp_normalization")
def _timestamp(
    known: Known, *, source_timezone_field: str | None = None, output_field: str = "timestamp_utc", **_: Any
) -> Effect:
    notes = ["an explicit offset of a time stamp wins over every zone"]
    zone: list[str] = []
    if source_timezone_field:
        zone = [each for each in (source_timezone_field, source_timezone_field.rpartition(".")[2]) if each in known]
        notes.append(f"{source_timezone_field} matters for local times only, and may be missing otherwise")
    return Effect(reads=once(zone), adds={output_field: None}, notes=tuple(notes))


@effect("unit_conversion")
def _conversion(known: Known, *, conversions: Sequence[Conversion]) -> Effect:
    wanted = [checked(Conversion, each, "conversions") for each in conversions]
    adds: dict[str, str | None] = {}
    for each in wanted:
        goal = each.output_field or each.field
        adds[goal] = each.to_unit
        if goal != each.field and quality_name(each.field) in known:
            adds[quality_name(goal)] = None
    return Effect(
        reads=once(each.field for each in wanted),
        adds=adds,
        notes=("what the data says of a field's unit counts more than from_unit",),
    )


@effect("field_standardization")
def _standard(known: Known, *, mappings: Sequence[Standard]) -> Effect:
    wanted = [checked(Standard, each, "mappings") for each in mappings]
    return Effect(
        reads=once(name for each in wanted for name in each.source_fields),
        adds={
            each.destination_field: each.default_unit
            or next((known[name] for name in each.source_fields if name in known), None)
            for each in wanted
        },
        notes=("of several fields that mean the same, the first that has a value",),
    )


@effect("asset_identification")
def _identification(
    known: Known, *, prefix_field: str = "asset_type", id_field: str = "asset", output_field: str = "unified_asset_id",
    **_: Any,
) -> Effect:  # fmt: skip
    notes = [f"{prefix_field} may be a fact of the assets, or of the whole data"]
    if id_field != "asset":
        notes.append(f"where there is no {id_field}, the asset's own name is taken")
    return Effect(adds={output_field: None}, notes=tuple(notes))


@effect("data_quality_flagging")
def _quality_rules(known: Known, *, rules: Sequence[QualityRule]) -> Effect:
    wanted = [checked(QualityRule, each, "rules") for each in rules]
    adds: dict[str, str | None] = {}
    notes = ["nothing is dropped or changed; a rule on a field that is not there is passed over"]
    before = after = 0
    others: list[str] = []
    for each in wanted:
        given = each.parameters
        # Whether a gap is long is known at its end.
        after = max(after, _length(given.time_window) if each.rule == "gap" else 0)
        others += [given.other_field] if each.rule == "cross_check" and given.other_field else []
        adds[quality_name(each.field)] = None
        if given.flag_name:
            adds[given.flag_name] = None
        before = max(before, 2 * _length(given.time_window))
        for limit in (given.min, given.max, given.max_delta, given.tolerance, given.above, given.below):
            if not isinstance(limit, str):
                continue
            expression = compile_expression(limit)
            names = expression.names
            before = max(before, holds(expression.node))
            others += names
            if names:
                notes.append(f"{each.field} is not checked where there is no {' or '.join(names)}")
    reads = once([*(each.field for each in wanted), *others])
    return Effect(reads=reads, adds=adds, before=before, after=after, notes=once(notes))


def _checked(known: Known, variables: Sequence[str] | None) -> list[str]:
    """The variables that a check looks at, as far as they are told."""
    if variables is not None:
        return list(variables)
    apart = known.apart if isinstance(known, Fields) else ("time", "asset")
    return [name for name in known if not is_quality(name) and name not in (COUNT, GAP) and name not in apart]


def _flags_of(known: Known, variables: Sequence[str] | None, flagged: Iterable[str], **more: Any) -> Effect:
    # The extremes of ten minutes obey the limits of the value itself, where that is there.
    bases = [name.removesuffix(end) for name in variables or () for end in ("_min", "_max") if name.endswith(end)]
    return Effect(
        reads=once([*(variables or ()), *(name for name in (*bases, COUNT) if name in known)] if variables else ()),
        adds={quality_name(name): None for name in flagged} | more.pop("adds", {}),
        notes=() if variables else ("every measured field of the data is checked",),
        every=variables is None,
        **more,
    )


@effect("flag_range")
def _flag_range(known: Known, *, variables: Sequence[str] | None = None, **_: Any) -> Effect:
    return _flags_of(known, variables, _checked(known, variables))


def _stuck_reach(after: Mapping[str, str] | None) -> int:
    return max(map(_length, [*(after or {}).values(), *(rule.after for rule in STUCK_RULES.values())]))


def _with_rules(names: Iterable[str], after: Mapping[str, str] | None) -> list[str]:
    return [name for name in names if name in STUCK_RULES or name in (after or {})]


@effect("flag_stuck")
def _flag_stuck(
    known: Known, *, after: Mapping[str, str] | None = None, variables: Sequence[str] | None = None
) -> Effect:
    reach = _stuck_reach(after)
    flagged = _with_rules(_checked(known, variables), after)
    return _flags_of(known, variables, flagged, before=reach, after=reach)


@effect("mark_gaps")
def _mark_gaps(known: Known, *, variables: Sequence[str] | None = None) -> Effect:
    return _flags_of(known, variables, (), adds={GAP: None})


@effect("flag_quality")
def _flag_quality(
    known: Known,
    *,
    range: bool = True,  # noqa: A002  the parameter's own name
    stuck: bool = True,
    gaps: bool = True,
    stuck_after: Mapping[str, str] | None = None,
    variables: Sequence[str] | None = None,
    **_: Any,
) -> Effect:
    names = _checked(known, variables)
    flagged = names if range else _with_rules(names, stuck_after) if stuck else []
    reach = _stuck_reach(stuck_after) if stuck else 0
    return _flags_of(known, variables, flagged, adds={GAP: None} if gaps else {}, before=reach, after=reach)


@effect("rolling_statistics")
def _rolling(known: Known, *, windows: Sequence[str], features: Sequence[RollingFeature]) -> Effect:
    wanted = [checked(RollingFeature, each, "features") for each in features]
    adds: dict[str, str | None] = {}
    for each in wanted:
        for statistic in each.statistics:
            for window in windows:
                unit = _unit(each.field, known)
                if statistic in ("kurtosis", "count"):
                    unit = "1"
                elif statistic in ("trend", "rate_of_change") and unit:
                    unit = f"{unit} h-1"
                adds[f"{each.prefix}_{statistic}_{window_label(window)}"] = unit
    return Effect(
        reads=once(each.field for each in wanted),
        adds=adds,
        before=max(map(_length, windows), default=0),
        notes=("values flagged as wrong do not count",),
    )


class _Asked:
    """What expressions ask for: fields, and rolling statistics that are worked out on demand."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.reads: list[str] = []
        self.notes: list[str] = []
        self.made: dict[str, int] = {}  #: what the step itself made before, and how far back that looks [ns]

    def reach(self, expression: Expression) -> int:
        """How far back the value of an expression looks [ns]; what it reads is noted."""
        furthest = 0
        for name in expression.names:
            if name in self.made:
                furthest = max(furthest, self.made[name])
                continue
            on_demand = None if gives(name, self.known) else rolled_name(name)
            if on_demand is None:
                self.reads.append(name)
                continue
            self.notes.append(f"{name} is the {on_demand.statistic} of {on_demand.field} over {on_demand.window}")
            self.reads.append(on_demand.field)
            furthest = max(furthest, _length(on_demand.window))
        return holds(expression.node) + furthest


@effect("calculated_health_indicators")
def _indicators(known: Known, *, indicators: Sequence[Indicator]) -> Effect:
    wanted = [checked(Indicator, each, "indicators") for each in indicators]
    asked = _Asked(known)
    for each in wanted:
        asked.made[each.name] = asked.reach(compile_expression(each.formula))
    return Effect(
        reads=once(asked.reads),
        adds={each.name: each.units for each in wanted},
        before=max(asked.made.values(), default=0),
        notes=once(asked.notes),
    )


@effect("conditional_classification")
def _classes(known: Known, *, field_name: str, conditions: Sequence[Case]) -> Effect:
    wanted = [compile_expression(checked(Case, each, "conditions").condition) for each in conditions]
    asked = _Asked(known)
    before = max(map(asked.reach, wanted), default=0)
    notes = ("the first condition that is true; one on a field that is not there is passed over", *asked.notes)
    return Effect(reads=once(asked.reads), adds={field_name: None}, before=before, notes=once(notes))


@effect("statistical_aggregation")
def _aggregation(
    known: Known,
    *,
    aggregations: Sequence[Aggregation],
    time_window: str,
    group_by: Sequence[str] = (),
    time_field: str = "timestamp",
    **_: Any,
) -> Effect:
    wanted = [checked(Aggregation, each, "aggregations") for each in aggregations]
    units = {"count": "1", "availability_factor": "1"}
    adds = {each.name: units.get(each.function) or _unit(each.field, known) for each in wanted}
    reads, reach = once(each.field for each in wanted), _length(time_window)
    if _records(known):
        adds = {"window_start": None, **dict.fromkeys(adds)}
        return Effect(
            reads=reads,
            needs=once([*group_by, time_field]),
            adds=adds,
            removes=tuple(name for name in known if name not in group_by and name not in adds),
            before=reach,
            after=reach,
            notes=(f"records become one for each group and {time_window}; no other field goes on",),
        )
    # A bin by its own name counts more than the field it is worked out of; assets are a group in any case.
    groups = [name for name in group_by if name != "asset" and not name.endswith("_id")]
    bins = [name if name in known else name.removesuffix("_bin") for name in groups]
    return Effect(
        reads=reads,
        needs=tuple(bins),
        adds=adds,
        before=reach,
        after=reach,
        notes=(f"telemetry keeps its times: at each, the value of the {time_window} that it lies in",),
    )


@effect("anomaly_detection")
def _anomaly(
    known: Known,
    *,
    field_name: str = "",
    fields: Sequence[str] = (),
    algorithm: str = "z_score",
    baseline_period: str = "P30D",
    retrain_period: str = "P1D",
    output_field: str = "",
    flag_field: str = "",
    group_by: Sequence[str] | None = None,
    time_field: str = "timestamp",
    **_: Any,
) -> Effect:
    names = once([*([field_name] if field_name else []), *fields])
    joined = "_".join(names)
    trained = algorithm in MULTIVARIATE
    # The mean of a chart goes back to where the chart began.
    before = None if algorithm == "ewma" else _length(baseline_period) + _length(retrain_period) * trained
    machines = group_by if group_by is not None else [name for name in IDS if name in known]
    return Effect(
        reads=names,
        needs=once([*machines, time_field]) if _records(known) else (),
        adds={output_field or f"{joined}_anomaly_score": "1", flag_field or f"{joined}_anomaly": None},
        before=before,
        notes=("a value without enough history before it has no score: that is unknown, no alert",),
    )


@effect("conditional_alert")
def _alert(
    known: Known,
    *,
    condition: Any,
    alert_type: str,
    output_field: str = "",
    group_by: Sequence[str] | None = None,
    time_field: str = "",
    **_: Any,
) -> Effect:
    expression = compile_expression(condition)
    needs: list[str] = []
    names = []
    for name in expression.names:
        averages = [each for each in (f"{name}_avg", f"{name}_mean") if each in known]
        names.append(averages[0] if len(averages) == 1 and not gives(name, known) else name)
    notes = ["what an aggregation renamed to <field>_avg or <field>_mean is found; unknown is never an alert"]
    if _records(known):
        # Without any of its fields a condition is unknown everywhere: there is no alert, and no error.
        notes += [f"{name} is unknown in all records" for name in names if not gives(name, known)]
        names = [name for name in names if gives(name, known)]
        if holds(expression.node):  # the records of a machine, one after the other
            times = [time_field] if time_field else [name for name in TIMES if name in known][:1]
            machines = group_by if group_by is not None else [name for name in IDS if name in known]
            needs += [*times, *machines]
    return Effect(
        reads=once(names),
        needs=once(needs),
        adds={output_field or (ALERTS if _records(known) else alert_type): None},
        before=holds(expression.node),
        notes=tuple(notes),
    )


_WILD = re.compile(r"\*$")


def gives(name: str, known: Known) -> bool:
    """Whether ``name`` is among the known fields; ``item_*`` stands for all that begin so, a path for what it is in."""
    if name in known or name.split(".")[0] in known:
        return True
    return any(_WILD.search(each) and name.startswith(each[:-1]) for each in known)


def effect_of(step: Any, parameters: Mapping[str, Any], known: Known) -> Effect | None:
    """The effect of a step; None where it is not declared, or the parameters do not tell it."""
    try:
        return step.effect(parameters, known)  # type: ignore[no-any-return]
    except InputError:
        return None
