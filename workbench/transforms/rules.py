"""Steps made of expressions: quality rules, classes, indicators."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import AfterValidator, BaseModel, ConfigDict

from workbench.expressions import Expression, compile_expression
from workbench.model.errors import BadValue, InputError, did_you_mean
from workbench.model.keys import DurationText
from workbench.model.quality import Quality, add_flags, good
from workbench.model.time import parse_duration
from workbench.steps import remark, step
from workbench.transforms.fields import checked, some_there
from workbench.transforms.rolling import rolling_statistics

#: Of a spike, where nothing else is asked for [standard deviations of a normal distribution].
_FAR = 5.0
#: Up to so many values Student's t is worked out; beyond, the difference does not matter. Fewer than the second are few.
_MOST, _MANY = 1000, 30


def _expression(value: Any) -> Any:
    try:
        compile_expression(value)
    except InputError as error:
        raise BadValue(
            f"{error.message}\n            {error.found}" if error.found else error.message,
            expected=None if error.expected is None else str(error.expected),
            hint=error.hint,
        ) from error
    return value


#: A number, or an expression that gives one.
NumberOrExpression = Annotated[float | str, AfterValidator(_expression)]
#: A condition, as text or as an object.
Condition = Annotated[str | dict[str, Any], AfterValidator(_expression)]
Formula = Annotated[str, AfterValidator(_expression)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleParameters(_Strict):
    """What a rule goes by; which of them, the rule says."""

    min: NumberOrExpression | None = None
    max: NumberOrExpression | None = None
    max_delta: NumberOrExpression | None = None
    time_window: DurationText | None = None
    tolerance: NumberOrExpression | None = None
    other_field: str | None = None
    threshold: float | None = None
    above: NumberOrExpression | None = None
    below: NumberOrExpression | None = None
    flag_name: str = ""


class QualityRule(_Strict):
    """One rule on one field."""

    field: str
    rule: Literal[
        "range_check", "physical_limit", "rate_of_change", "spike", "cross_check", "stuck_value", "gap", "duplicate"
    ]
    parameters: RuleParameters = RuleParameters()


class Case(_Strict):
    """A class, and the condition it takes."""

    condition: Condition
    value: str


class Indicator(_Strict):
    """A formula and what its result is called."""

    name: str
    formula: Formula
    description: str = ""
    units: str | None = None


_NEEDS = {
    "range_check": ("min", "max"),
    "physical_limit": ("min", "max"),
    "rate_of_change": ("max_delta", "time_window"),
    "spike": ("time_window",),
    "cross_check": ("other_field", "tolerance"),
    "stuck_value": ("time_window",),
    "gap": (),
    "duplicate": (),
}


@step("data_quality_flagging")
def data_quality_flagging(data: xr.Dataset, *, rules: Sequence[QualityRule]) -> xr.Dataset:
    """Flag values by rules. Nothing is dropped or changed, and every flag can be counted and undone.

    - ``range_check``, ``physical_limit``: outside ``min`` … ``max`` (RANGE)
    - ``rate_of_change``: differs by more than ``max_delta`` from a value of the last ``time_window`` (RATE)
    - ``spike``: further from the mean of the ``time_window`` before than ``threshold`` of its standard deviations (SPIKE);
      left out, than a value of a normal distribution is as rarely as beyond five of its own. Few values tell their standard
      deviation badly: it takes 5.3 of 144 values, 8.0 of 18, 34 of 6 (Student's t)
    - ``stuck_value``: has not changed for a whole ``time_window`` (STUCK); values up to ``above``, and from ``below``
      on, may stay the same: calm, night, power at its limit
    - ``cross_check``: differs from ``other_field`` by more than ``tolerance`` (INCONSISTENT)
    - ``gap``: a value is missing, for longer than ``time_window`` where that is given. What is missing has no flag of
      its own: it is counted and remarked, and ``flag_name`` gives the places.
    - ``duplicate``: the time stamp occurs twice; all but the first are flagged (DUPLICATE)

    How many values each rule struck is remarked, for data in memory.

    A limit is a number or an expression such as ``rated_capacity * 1.05``. Where it cannot be evaluated the value is
    flagged NOT_CHECKED, not passed.

    Parameters
    ----------
    data
        dims (time, asset)
    rules
        :class:`QualityRule`, or mappings of its keys.

    Returns
    -------
    xr.Dataset
        With ``<field>_quality``, and where a rule has a ``flag_name`` a variable of that name: true where it struck.

    Raises
    ------
    InputError
        None of the fields is there, or a rule lacks what it goes by.
    """
    wanted = [checked(QualityRule, each, f"rules.{number}") for number, each in enumerate(rules)]
    there = some_there("data_quality_flagging", [each.field for each in wanted], data, "rules")
    before = data
    for number, each in enumerate(wanted):
        if each.field not in there:
            continue
        needs = _NEEDS[each.rule]
        given = [name for name in needs if getattr(each.parameters, name) is not None]
        if len(given) < (1 if needs == ("min", "max") else len(needs)):
            raise InputError(
                f"{each.rule} lacks what it goes by", where=f"rules.{number}.parameters", expected=" and ".join(needs)
            )
        # Each rule sees the values as they came: the order of rules changes nothing.
        struck, unknown, flag = _struck(before, each)
        if struck is None or unknown is None:
            continue
        data = add_flags(data, each.field, struck, flag)
        data = add_flags(data, each.field, unknown, Quality.NOT_CHECKED)
        _count(before, each, struck)
        if each.parameters.flag_name:
            attrs = {"long_name": f"{each.field}: {each.rule} struck"}
            data = data.assign({each.parameters.flag_name: struck.drop_attrs().assign_attrs(attrs)})
    return data


def _count(data: xr.Dataset, rule: QualityRule, struck: xr.DataArray) -> None:
    if struck.chunks:
        return
    number = int(struck.sum())
    if number:
        what = "slots" if rule.rule == "gap" else "values"
        of = data[rule.field].size if rule.rule == "gap" else int(data[rule.field].notnull().sum())
        remark(f"data_quality_flagging: {rule.rule} struck {number:,} of {of:,} {what} of {rule.field}")


def _struck(data: xr.Dataset, rule: QualityRule) -> tuple[xr.DataArray | None, xr.DataArray | None, Quality]:
    """Where a rule strikes, where it cannot be told, and the flag."""
    values, given = data[rule.field], rule.parameters
    there = values.notnull()
    if rule.rule in ("range_check", "physical_limit"):
        struck, unknown = xr.zeros_like(there), xr.zeros_like(there)
        for limit, below in ((given.min, True), (given.max, False)):
            if limit is None:
                continue
            bound = _number(data, limit, rule.field)
            wrong = values < bound if below else values > bound
            struck = struck | wrong
            unknown = unknown | bound.isnull()
        return struck.transpose(*values.dims), (unknown & there & ~struck).transpose(*values.dims), Quality.RANGE
    if rule.rule == "cross_check":
        if given.other_field not in data:
            remark(f"data_quality_flagging: no field {given.other_field!r} to check {rule.field!r} against")
            return None, None, Quality.INCONSISTENT
        other = data[str(given.other_field)]
        bound = _number(data, given.tolerance or 0.0, rule.field)
        unknown = there & (other.isnull() | bound.isnull())
        return abs(values - other) > bound, unknown, Quality.INCONSISTENT
    if rule.rule == "gap":
        return _gaps(data, values, given.time_window), xr.zeros_like(there), Quality.GOOD
    if rule.rule == "duplicate":
        twice = xr.DataArray(data.get_index("time").duplicated(), dims="time", coords={"time": data["time"]})
        return (there & twice).transpose(*values.dims), xr.zeros_like(there), Quality.DUPLICATE
    window = str(given.time_window)
    steps = np.diff(data["time"].values)
    if len(steps) and (steps >= np.timedelta64(parse_duration(window).ns, "ns")).all():
        remark(f"data_quality_flagging: {rule.rule} of {rule.field}: no {window} holds two values; nothing is compared")
    kinds = ("mean", "stddev", "min", "max", "count")
    rolled = rolling_statistics(
        xr.Dataset({"x": good(data, rule.field)}),
        windows=[window],
        features=[{"field": "x", "statistics": kinds}],  # type: ignore[list-item]
    )
    of = {kind: next(rolled[name] for name in rolled if str(name).startswith(f"x_{kind}_")) for kind in kinds}
    none = xr.zeros_like(there)
    if rule.rule == "rate_of_change":
        bound = _number(data, given.max_delta or 0.0, rule.field)
        struck = (values - of["min"] > bound) | (of["max"] - values > bound)
        return struck.transpose(*values.dims), (bound.isnull() & there).transpose(*values.dims), Quality.RATE
    if rule.rule == "spike":
        before = {kind: of[kind].shift(time=1) for kind in ("mean", "stddev", "count")}
        beyond: Any = given.threshold
        if beyond is None:
            beyond = xr.apply_ufunc(_rare, before["count"], dask="parallelized", output_dtypes=[np.float64])
        elif len(steps):
            typical = int(np.median(steps.astype("timedelta64[ns]").astype(np.int64)))
            holds = parse_duration(window).ns // max(1, typical)
            if 3 < holds < _MANY:
                needed = float(_rare(holds, float(beyond)))
                remark(
                    f"data_quality_flagging: spike of {rule.field}: {window} holds {holds} values, which tell their standard "
                    f"deviation badly; for what is as rare as {beyond:g} of them seem it takes {needed:.1f}"
                )
        far = abs(values - before["mean"]) > beyond * before["stddev"]
        return far & (before["count"] > 3) & (before["stddev"] > 0), none, Quality.SPIKE
    stuck = _stuck(data, values, of, window)
    for limit, low in ((given.above, True), (given.below, False)):
        if limit is not None:
            bound = _number(data, limit, rule.field)
            stuck = stuck & ~(values <= bound if low else values >= bound)
    return stuck.transpose(*values.dims), none, Quality.STUCK


def _rare(count: Any, far: float = _FAR) -> Any:
    """Standard deviations of ``count`` values by which the next is off their mean as rarely as a normal value by ``far``.

    (x - mean) / (s sqrt(1 + 1/n)) of normal values has Student's t distribution with n - 1 degrees of freedom.
    """
    known = np.nan_to_num(np.asarray(count, dtype=np.float64)).clip(0, _MOST).astype(np.int64)
    return _limits(far)[known]


@functools.cache
def _limits(far: float) -> npt.NDArray[np.float64]:
    from scipy import stats

    n = np.arange(2, _MOST + 1)
    found = stats.t.isf(stats.norm.sf(far), n - 1) * np.sqrt(1.0 + 1.0 / n)
    return np.concatenate([[np.inf, np.inf], found])


def _gaps(data: xr.Dataset, values: xr.DataArray, longer_than: str | None) -> xr.DataArray:
    """Where a value is missing; of gaps longer than a duration only, where that is given."""
    missing = values.isnull()
    if longer_than is None or not data.sizes["time"]:
        return missing
    from workbench.model.time import parse_duration

    # From the last value before a gap to the first after it, or to the ends of the data.
    times = data["time"].astype("datetime64[ns]").astype(np.int64)
    stamps = times + xr.zeros_like(values, dtype=np.int64)
    before = _running_max(stamps.where(~missing, int(times[0])))
    after = -_running_max(-stamps.where(~missing, int(times[-1])).isel(time=slice(None, None, -1)))
    after = after.isel(time=slice(None, None, -1))
    return missing & (after - before > parse_duration(longer_than).ns)


def _running_max(array: xr.DataArray) -> xr.DataArray:
    """The largest so far along time."""
    ordered = array.transpose("time", ...)
    values: Any = ordered.data
    if hasattr(values, "dask"):
        from dask.array.reductions import cumreduction

        least = np.iinfo(np.int64).min
        values = cumreduction(  # type: ignore[no-untyped-call]
            np.maximum.accumulate, np.maximum, least, values, axis=0, dtype=np.int64
        )
    else:
        values = np.maximum.accumulate(values, axis=0)
    return ordered.copy(data=values).transpose(*array.dims)


def _stuck(data: xr.Dataset, values: xr.DataArray, of: Mapping[str, xr.DataArray], window: str) -> xr.DataArray:
    from workbench.model.time import parse_duration

    if not data.sizes["time"]:
        return xr.zeros_like(values, dtype=bool)
    whole = data["time"] - data["time"][0] >= np.timedelta64(parse_duration(window).ns, "ns")
    return (of["max"] == of["min"]) & values.notnull() & (of["count"] > 1) & whole


def _number(data: xr.Dataset, given: float | str, field: str) -> xr.DataArray:
    """A limit: NaN where an expression cannot be evaluated."""
    if not isinstance(given, str):
        return xr.DataArray(np.float64(given))
    expression = compile_expression(given)
    missing = [name for name in expression.names if name not in data.variables]
    if missing:
        remark(f"data_quality_flagging: {given!r} needs {', '.join(missing)}, not in the data: {field} is not checked")
        return xr.DataArray(np.float64("nan"))
    return expression.evaluate(data)


@step("conditional_classification")
def conditional_classification(data: xr.Dataset, *, field_name: str, conditions: Sequence[Case]) -> xr.Dataset:
    """A class for each value: that of the first condition that is true; ``DEFAULT`` takes the rest.

    Parameters
    ----------
    data
        Any dims.
    field_name
        What the result is called: text, empty where no condition is true.
    conditions
        :class:`Case`, or mappings of its keys. One that asks for a field which is not there is passed over and
        remarked; ``<field>_<statistic>_<window>`` is worked out on demand.

    Raises
    ------
    InputError
        Not one of the conditions can be evaluated, or ``DEFAULT`` is not the last.
    """
    wanted = [checked(Case, each, f"conditions.{number}") for number, each in enumerate(conditions)]
    cases = [(compile_expression(each.condition), each.value) for each in wanted]
    for number, (expression, _) in enumerate(cases[:-1]):
        if expression.is_default:
            raise InputError("DEFAULT takes all that is left: nothing comes after it", where=f"conditions.{number}")
    all_ = _with_rolled("conditional_classification", data, [each for each, _ in cases])
    can = [(each, value) for each, value in cases if _can("conditional_classification", each, all_)]
    if cases and not any(each.names for each, _ in can) and any(each.names for each, _ in cases):
        needed = sorted({name for each, _ in cases for name in each.names})
        raise InputError(
            "none of the conditions can be evaluated",
            where="conditions",
            found=", ".join(needed),
            hint=did_you_mean(needed[0], [str(name) for name in data.variables]),
        )
    width = max([1, *(len(value) for _, value in cases)])
    result: Any = np.array("", dtype=f"<U{width}")
    for expression, value in reversed(can):
        result = xr.where(expression.true(all_), np.array(value, dtype=f"<U{width}"), result)  # type: ignore[no-untyped-call]
    classes = ", ".join(dict.fromkeys(value for _, value in cases))
    return data.assign({field_name: result.assign_attrs(long_name=field_name.replace("_", " "), classes=classes)})


def _can(step_: str, expression: Expression, data: xr.Dataset) -> bool:
    missing = [name for name in expression.names if name not in data.variables]
    if missing:
        remark(f"{step_}: {expression.text!r} needs {', '.join(missing)}, not in the data; it is passed over")
    return not missing


_ROLLED = re.compile(
    r"(?P<field>\w+?)_(?P<statistic>mean|max|min|stddev|trend|rms|kurtosis|peak_to_peak|rate_of_change)"
    r"_(?P<number>\d+)(?P<unit>d|h|min|s)"
)


class Rolled(NamedTuple):
    """A rolling statistic, as its name tells it."""

    field: str
    statistic: str
    window: str  #: ISO 8601 duration


def rolled_name(name: str) -> Rolled | None:
    """What ``gearbox_oil_temp_mean_24h`` means; None for another name."""
    match = _ROLLED.fullmatch(name)
    if match is None:
        return None
    number, unit = match["number"], match["unit"]
    window = f"P{number}D" if unit == "d" else f"PT{number}{unit[0].upper()}"
    return Rolled(match["field"], match["statistic"], window)


@step("calculated_health_indicators")
def calculated_health_indicators(data: xr.Dataset, *, indicators: Sequence[Indicator]) -> xr.Dataset:
    """Formulas over fields and what was made of them.

    A name ``<field>_<statistic>_<window>`` that is not there (``gearbox_oil_temp_mean_24h``) means that rolling
    statistic, worked out on demand.

    Parameters
    ----------
    data
        dims (time, asset)
    indicators
        :class:`Indicator`, or mappings of its keys; later ones may use earlier ones. One that asks for what is not
        there is passed over and remarked.

    Raises
    ------
    InputError
        Not one of the indicators can be evaluated, or units in a formula do not go together.
    """
    wanted = [checked(Indicator, each, f"indicators.{number}") for number, each in enumerate(indicators)]
    made = 0
    for each in wanted:
        expression = compile_expression(each.formula)
        all_ = _with_rolled("calculated_health_indicators", data, [expression])
        if not _can("calculated_health_indicators", expression, all_):
            continue
        made += 1
        found = expression.evaluate(all_)
        attrs: dict[str, Any] = {"long_name": each.description or each.name.replace("_", " "), "formula": each.formula}
        if each.units or found.attrs.get("units"):
            attrs["units"] = each.units or found.attrs["units"]
        data = data.assign({each.name: found.drop_attrs().assign_attrs(attrs)})
    if wanted and not made:
        raise InputError("none of the indicators can be evaluated", where="indicators")
    return data


def _with_rolled(step_: str, data: xr.Dataset, expressions: Sequence[Expression]) -> xr.Dataset:
    """``data`` and the rolling statistics that expressions name and that are not there."""
    wanted = {name for each in expressions for name in each.names if name not in data.variables}
    found: dict[str, xr.DataArray] = {}
    for name in sorted(wanted):
        found |= _on_demand(step_, data, name)
    return data.assign(found)


def _on_demand(step_: str, data: xr.Dataset, name: str) -> dict[str, xr.DataArray]:
    meant = rolled_name(name)
    if meant is None or meant.field not in data.data_vars:
        return {}
    features: list[Any] = [{"field": meant.field, "statistics": [meant.statistic]}]
    own = _with_quality(data, meant.field)
    rolled = rolling_statistics(own, windows=[meant.window], features=features)
    remark(f"{step_}: {name} is worked out on demand")
    return {name: next(rolled[each] for each in rolled.data_vars if each not in own.variables)}


def _with_quality(data: xr.Dataset, name: str) -> xr.Dataset:
    """A field with its flags: what is flagged as wrong does not count in a statistic of it either."""
    from workbench.model.quality import quality_name

    return data[[each for each in (name, quality_name(name)) if each in data.variables]]
