"""What each step reads and gives, told from its parameters alone: for checks and plans, before there is data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench.expressions import compile_expression
from workbench.expressions.nodes import Holds, Node, children
from workbench.model.errors import InputError
from workbench.model.quality import quality_name
from workbench.model.time import parse_duration
from workbench.model.vocabulary import vocabulary
from workbench.steps import Effect, effect
from workbench.transforms.aggregate import Aggregation
from workbench.transforms.anomaly_models import MULTIVARIATE
from workbench.transforms.fields import Conversion, Standard, checked
from workbench.transforms.record_checks import REJECTED
from workbench.transforms.records import Mapping as FieldMapping
from workbench.transforms.rolling import RollingFeature, window_label
from workbench.transforms.rules import Case, Indicator, QualityRule, rolled_name

Known = Mapping[str, str | None]


def holds(node: Node) -> int:
    """How far back an expression looks [ns]: the lengths of its ``FOR``, one inside the other."""
    return (node.length if isinstance(node, Holds) else 0) + max((holds(each) for each in children(node)), default=0)


def _unit(name: str, known: Known) -> str | None:
    term = vocabulary().get(name)
    return known.get(name) or (term.units if term is not None else None)


def _length(text: str | None) -> int:
    return 0 if text is None else parse_duration(text).ns


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


# -- telemetry --------------------------------------------------------------------------------------------


@effect("timestamp_normalization")
def _timestamp(
    known: Known, *, source_timezone_field: str | None = None, output_field: str = "timestamp_utc", **_: Any
) -> Effect:
    notes = ["an explicit offset of a time stamp wins over every zone"]
    if source_timezone_field:
        notes.append(f"{source_timezone_field} matters for local times only, and may be missing otherwise")
    return Effect(adds={output_field: None}, notes=tuple(notes))


@effect("unit_conversion")
def _conversion(known: Known, *, conversions: Sequence[Conversion]) -> Effect:
    wanted = [checked(Conversion, each, "conversions") for each in conversions]
    return Effect(
        reads=_once(each.field for each in wanted),
        adds={each.output_field or each.field: each.to_unit for each in wanted},
        notes=("what the data says of a field's unit counts more than from_unit",),
    )


@effect("field_standardization")
def _standard(known: Known, *, mappings: Sequence[Standard]) -> Effect:
    wanted = [checked(Standard, each, "mappings") for each in mappings]
    return Effect(
        reads=_once(name for each in wanted for name in each.source_fields),
        adds={each.destination_field: each.default_unit for each in wanted},
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
    before = 0
    for each in wanted:
        given = each.parameters
        adds[quality_name(each.field)] = None
        if given.flag_name:
            adds[given.flag_name] = None
        before = max(before, 2 * _length(given.time_window))
        for limit in (given.min, given.max, given.max_delta, given.tolerance):
            names = compile_expression(limit).names if isinstance(limit, str) else ()
            if names:
                notes.append(f"{each.field} is not checked where there is no {' or '.join(names)}")
    return Effect(reads=_once(each.field for each in wanted), adds=adds, before=before, notes=_once(notes))


def _flags_of(known: Known, variables: Sequence[str] | None, **more: Any) -> Effect:
    every = variables or [name for name in known if quality_name(name) != name and not name.endswith("_quality")]
    notes = () if variables else ("every measured field of the data is checked",)
    return Effect(
        reads=tuple(variables or ()),
        adds={quality_name(name): None for name in every} | more.pop("adds", {}),
        notes=notes,
        every=not variables,
        **more,
    )


@effect("flag_range")
def _flag_range(known: Known, *, variables: Sequence[str] | None = None, **_: Any) -> Effect:
    return _flags_of(known, variables)


@effect("flag_stuck")
def _flag_stuck(
    known: Known, *, after: Mapping[str, str] | None = None, variables: Sequence[str] | None = None
) -> Effect:
    from workbench.transforms.quality import STUCK_RULES

    lengths = [*map(_length, (after or {}).values()), *(_length(rule.after) for rule in STUCK_RULES.values())]
    return _flags_of(known, variables, before=max(lengths), after=max(lengths))


@effect("mark_gaps")
def _mark_gaps(known: Known, *, variables: Sequence[str] | None = None) -> Effect:
    return Effect(reads=tuple(variables or ()), adds={"gap": None}, every=not variables)


@effect("flag_quality")
def _flag_quality(
    known: Known, *, stuck_after: Mapping[str, str] | None = None, variables: Sequence[str] | None = None, **_: Any
) -> Effect:
    stuck = _flag_stuck(known, after=stuck_after)
    return _flags_of(known, variables, adds={"gap": None}, before=stuck.before, after=stuck.after)


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
        reads=_once(each.field for each in wanted),
        adds=adds,
        before=max(map(_length, windows), default=0),
        notes=("values flagged as wrong do not count",),
    )


@effect("calculated_health_indicators")
def _indicators(known: Known, *, indicators: Sequence[Indicator]) -> Effect:
    wanted = [checked(Indicator, each, "indicators") for each in indicators]
    reads: list[str] = []
    adds: dict[str, str | None] = {}
    notes: list[str] = []
    before = 0
    for each in wanted:
        expression = compile_expression(each.formula)
        before = max(before, holds(expression.node))
        for name in expression.names:
            on_demand = None if name in known or name in adds else rolled_name(name)
            if on_demand is not None:
                notes.append(f"{name} is the {on_demand.statistic} of {on_demand.field} over {on_demand.window}")
                reads.append(on_demand.field)
                before = max(before, _length(on_demand.window))
            elif name not in adds:
                reads.append(name)
        adds[each.name] = each.units
    return Effect(reads=_once(reads), adds=adds, before=before, notes=_once(notes))


@effect("conditional_classification")
def _classes(known: Known, *, field_name: str, conditions: Sequence[Case]) -> Effect:
    wanted = [compile_expression(checked(Case, each, "conditions").condition) for each in conditions]
    return Effect(
        reads=_once(name for each in wanted for name in each.names),
        adds={field_name: None},
        before=max((holds(each.node) for each in wanted), default=0),
        notes=("the first condition that is true; one on a field that is not there is passed over",),
    )


@effect("statistical_aggregation")
def _aggregation(
    known: Known,
    *,
    aggregations: Sequence[Aggregation],
    time_window: str,
    group_by: Sequence[str] = (),
    **_: Any,
) -> Effect:
    wanted = [checked(Aggregation, each, "aggregations") for each in aggregations]
    units = {"count": "1", "availability_factor": "1"}
    bins = [name.removesuffix("_bin") for name in group_by if name.endswith("_bin")]
    return Effect(
        reads=_once(each.field for each in wanted),
        needs=tuple(bins),
        adds={each.name: units.get(each.function) or _unit(each.field, known) for each in wanted},
        before=_length(time_window),
        after=_length(time_window),
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
    **_: Any,
) -> Effect:
    names = _once([*([field_name] if field_name else []), *fields])
    joined = "_".join(names)
    trained = algorithm in MULTIVARIATE
    # The mean of a chart goes back to where the chart began.
    before = None if algorithm == "ewma" else _length(baseline_period) + _length(retrain_period) * trained
    return Effect(
        reads=names,
        adds={output_field or f"{joined}_anomaly_score": "1", flag_field or f"{joined}_anomaly": None},
        before=before,
        notes=("a value without enough history before it has no score: that is unknown, no alert",),
    )


@effect("conditional_alert")
def _alert(known: Known, *, condition: Any, alert_type: str, output_field: str = "", **_: Any) -> Effect:
    expression = compile_expression(condition)
    return Effect(
        reads=expression.names,
        adds={output_field or alert_type: None},
        before=holds(expression.node),
        notes=("what an aggregation renamed to <field>_avg or <field>_mean is found; unknown is never an alert",),
    )


# -- records ----------------------------------------------------------------------------------------------


@effect("field_mapping")
def _mapping(known: Known, *, mappings: Sequence[FieldMapping]) -> Effect:
    wanted = [checked(FieldMapping, each, "mappings") for each in mappings]
    notes = ["of several sources of one field, the first that has a value"]
    if any(each.platforms for each in wanted):
        notes.append("platforms restrict a mapping where the records say their platform")
    return Effect(
        reads=_once(each.source for each in wanted),
        adds=dict.fromkeys((each.destination for each in wanted), None),
        notes=tuple(notes),
    )


@effect("field_operation")
def _operation(known: Known, *, field_name: str, output_field: str = "", **_: Any) -> Effect:
    return Effect(needs=(field_name,), adds={output_field or field_name: None})


@effect("field_calculation")
def _calculation(
    known: Known,
    *,
    field_name: str,
    operation: str = "formula",
    formula: str | None = None,
    source_field: str | None = None,
    currency_field: str = "currency",
    date_field: str | None = None,
    **_: Any,
) -> Effect:
    if operation == "formula":
        return Effect(needs=compile_expression(formula).names if formula else (), adds={field_name: None})
    return Effect(
        reads=(str(source_field), "total"),
        needs=(currency_field, *([date_field] if date_field else [])),
        adds={field_name: None, f"{field_name}_note": None},
        notes=("amounts may be text; where there is no source field, total is taken",),
    )


@effect("field_addition")
def _addition(
    known: Known, *, field_name: str, formula: str | None = None, template: str | None = None, **more: Any
) -> Effect:
    names = compile_expression(formula).names if formula else tuple(_PLACE.findall(template or ""))
    if more.get("ignore_missing"):
        return Effect(reads=_once(names), adds={field_name: None})
    return Effect(needs=_once(names), adds={field_name: None})


@effect("field_selection")
def _selection(known: Known, *, field_names: Sequence[str]) -> Effect:
    others = tuple(name for name in known if name not in field_names)
    return Effect(needs=tuple(field_names), removes=others, notes=("no other field goes on",))


@effect("platform_identification")
def _platforms(known: Known, *, platforms: Mapping[str, Sequence[str]], output_field: str = "platform") -> Effect:
    return Effect(
        reads=_once(name for fields in platforms.values() for name in fields),
        adds={output_field: None},
        notes=("what a record says itself of its platform counts more than the fields it has",),
    )


def _keys(on: Any, left_on: Any) -> tuple[str, ...]:
    given = on if on is not None else left_on
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def _brought(fields: Any, prefix: str) -> dict[str, str | None]:
    names = list(fields.values()) if isinstance(fields, Mapping) else list(fields or ())
    return dict.fromkeys((f"{prefix}{name}" for name in names), None)


@effect("record_join")
def _join(
    known: Known, *, on: Any = None, left_on: Any = None, how: str = "left", fields: Any = None, prefix: str = "",
    **_: Any,
) -> Effect:  # fmt: skip
    adds = {} if how in ("semi", "anti") else _brought(fields, prefix) or {f"{prefix}*": None}
    return Effect(needs=_keys(on, left_on), adds=adds)


@effect("field_lookup")
def _lookup(
    known: Known, *, fields: Any, on: Any = None, left_on: Any = None, prefix: str = "", flag_field: str = "", **_: Any
) -> Effect:
    flag = {flag_field: None} if flag_field else {}
    return Effect(needs=_keys(on, left_on), adds=_brought(fields, prefix) | flag)


@effect("record_deduplication")
def _deduplication(known: Known, *, key_fields: Any, time_field: str | None = None, **_: Any) -> Effect:
    return Effect(needs=(*_keys(key_fields, None), *([time_field] if time_field else [])))


@effect("field_removal")
def _removal(known: Known, *, field_names: Sequence[str]) -> Effect:
    return Effect(removes=tuple(field_names), notes=("a field that is not there is passed over",))


@effect("record_expansion")
def _expansion(known: Known, *, source_field: str, output_prefix: str = "") -> Effect:
    # What is nested inside is not told by the parameters: `<prefix>*`.
    return Effect(needs=(source_field,), adds={f"{output_prefix}*": None}, removes=(source_field,))


@effect("record_filter")
def _filter(known: Known, *, condition: Any) -> Effect:
    return Effect(needs=compile_expression(condition).names)


@effect("field_validation")
def _validation(known: Known, *, field_name: str, **_: Any) -> Effect:
    return Effect(
        needs=(field_name,), adds={REJECTED: None}, notes=("records that do not pass are kept aside, with the reason",)
    )


@effect("field_masking")
def _masking(known: Known, *, field_name: str, **_: Any) -> Effect:
    return Effect(needs=(field_name,), adds={field_name: None})


_PLACE = re.compile(r"\{([^{}]*)\}")
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
