"""What a pipeline will do, told before it does: what it reads and gives, how far it looks, where it stays lazy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from workbench.model.errors import InputError, did_you_mean
from workbench.pipelines.run import works_on
from workbench.pipelines.spec import Pipeline, PipelineStep
from workbench.steps import Effect
from workbench.transforms.effects import Fields, effect_of, gives

Known = Mapping[str, str | None]


@dataclass(frozen=True)
class PlannedStep:
    """One step and what is told of it."""

    number: int  #: from 1
    step: PipelineStep
    effect: Effect | None  #: None for a step that does not declare it
    from_source: tuple[str, ...] = ()  #: fields it uses that no earlier step gives
    from_steps: tuple[str, ...] = ()  #: fields it uses that an earlier one does

    @property
    def kind(self) -> str:
        """``telemetry``, ``records`` or both."""
        return " or ".join(works_on(self.step.step.function))


@dataclass(frozen=True, repr=False)
class Plan:
    """The steps of a pipeline, with what they read and give."""

    pipeline: Pipeline
    steps: tuple[PlannedStep, ...]
    fields: Known  #: what is there at the end, as far as one can tell
    source: Known | None = None  #: what the data brings, where it was looked at
    errors: tuple[InputError, ...] = field(default=(), repr=False)
    warnings: tuple[InputError, ...] = field(default=(), repr=False)

    @property
    def from_source(self) -> tuple[str, ...]:
        """Fields that the data has to bring: those that no step gives before one asks for them."""
        return tuple(dict.fromkeys(name for each in self.steps for name in each.from_source))

    @property
    def every(self) -> bool:
        """Whether it may use any field of the data, whatever it is called."""
        return any(each.effect is None or each.effect.every for each in self.steps)

    @property
    def before(self) -> int | None:
        """How far back of a time its values reach [ns], all steps together; None: to the beginning, or not told."""
        return _sum([None if each.effect is None else each.effect.before for each in self.steps])

    @property
    def after(self) -> int | None:
        """How far ahead of a time its values reach [ns]; None where that is not told."""
        return _sum([None if each.effect is None else each.effect.after for each in self.steps])

    @property
    def lazy(self) -> bool:
        """Whether lazy data stay lazy to the end."""
        return all(each.effect is not None and each.effect.lazy for each in self.steps)

    def __repr__(self) -> str:
        return f"<Plan of {self.pipeline.name}: {', '.join(one.step.step.name for one in self.steps)}>"

    def _repr_html_(self) -> str:
        return diagram(self)


def _sum(reaches: list[int | None]) -> int | None:
    total = 0
    for each in reaches:
        if each is None:
            return None
        total += each
    return total


def plan(pipeline: Pipeline, source: Known | None = None) -> Plan:
    """What ``pipeline`` will do.

    Parameters
    ----------
    source
        The fields of the data and their units, where they are known. Then ``errors`` has a step of which the data
        has nothing that it names, and ``warnings`` what will be passed over.
    """
    known: dict[str, str | None] = dict(source or {})
    kind = source.kind if isinstance(source, Fields) and source.kind else _kind(pipeline)
    apart = source.apart if isinstance(source, Fields) else frozenset({"time", "asset"})
    made: dict[str, str | None] = {}
    gone: set[str] = set()
    steps: list[PlannedStep] = []
    errors: list[InputError] = []
    warnings: list[InputError] = []
    told = source is not None  #: whether all that is there is known

    def there() -> Fields:
        return Fields({**{name: unit for name, unit in known.items() if name not in gone}, **made}, kind, apart)

    for number, one in enumerate(pipeline.steps, 1):
        effect = effect_of(one.step, one.parameters, there())
        if effect is None:
            steps.append(PlannedStep(number, one, None))
            told = False  # what it adds is not known
            continue
        used = tuple(dict.fromkeys((*effect.reads, *effect.needs)))
        own = tuple(name for name in used if gives(name, made))
        rest = tuple(name for name in used if name not in own and name not in gone)
        steps.append(PlannedStep(number, one, effect, rest, own))
        wrong, odd = _missing(pipeline, number, one, effect, there(), gone, told=told)
        errors += wrong
        warnings += odd
        for name in effect.removes:
            made.pop(name, None)
            gone.add(name)
        made |= dict(effect.adds)
        gone -= set(effect.adds)
    return Plan(pipeline, tuple(steps), dict(there()), source, tuple(errors), tuple(warnings))


def _kind(pipeline: Pipeline) -> str:
    """The kind of data that all steps work on; empty where both will do."""
    kinds = [set(works_on(one.step.function)) for one in pipeline.steps]
    both = set.intersection(*kinds) if kinds else set()
    return both.pop() if len(both) == 1 else ""


def _missing(
    pipeline: Pipeline,
    number: int,
    one: PipelineStep,
    effect: Effect,
    there: Known,
    gone: set[str],
    *,
    told: bool,
) -> tuple[list[InputError], list[InputError]]:
    """What a step asks for and nobody gives: an error where it cannot run, else a warning."""

    def problem(message: str, missing: tuple[str, ...]) -> InputError:
        return InputError(
            message,
            file=pipeline.file,
            line=one.line,
            where=f"step {number} ({one.step.name})",
            found=", ".join(missing),
            expected="what an earlier step or the source gives",
            hint=did_you_mean(missing[0], [name for name in there if not name.endswith("*")]),
        )

    removed = tuple(name for name in (*effect.reads, *effect.needs) if name in gone and not gives(name, there))
    if not told:
        needed = tuple(name for name in removed if name in effect.needs)
        if not needed and effect.reads and set(effect.reads) <= set(removed):
            needed = removed
        return ([problem("an earlier step took the field away", needed)] if needed else []), []
    none = tuple(name for name in effect.needs if not gives(name, there))
    if none:
        return [problem("a field that the step needs is not there", none)], []
    absent = tuple(name for name in effect.reads if not gives(name, there))
    if absent and len(absent) == len(effect.reads):
        return [problem("none of the fields of the step is there", absent)], []
    return [], ([problem("a field is not there; what is said of it is passed over", absent)] if absent else [])


def diagram(found: Plan | Pipeline) -> str:
    """The steps as boxes one under the other, each with what it reads and gives: what a notebook shows."""
    shown = found if isinstance(found, Plan) else plan(found)
    title = shown.pipeline.title or shown.pipeline.name
    boxes = [_box("data", "what the data brings", _names(shown.from_source, {}), "#eef1f4")]
    for each in shown.steps:
        adds = _names(tuple(each.effect.adds), each.effect.adds) if each.effect else "not told"
        boxes.append(_box(f"{each.number} · {each.step.step.name}", each.step.step.summary, adds, "#ffffff"))
    arrow = '<div style="text-align:center;color:#8a94a0;line-height:1">↓</div>'
    return (
        '<div style="max-width:44em;font:13px/1.45 system-ui,sans-serif;color:#1f2933">'
        f'<div style="font-weight:600;margin-bottom:6px">{escape(title)}</div>{arrow.join(boxes)}</div>'
    )


def _box(head: str, line: str, adds: str, colour: str) -> str:
    return (
        f'<div style="border:1px solid #c5ccd3;border-radius:4px;padding:6px 10px;background:{colour}">'
        f'<div><b>{escape(head)}</b> <span style="color:#5b6670">{escape(line)}</span></div>'
        f'<div style="font-family:ui-monospace,monospace;font-size:12px;color:#35506b">{adds}</div></div>'
    )


def _names(names: tuple[str, ...], units: Known, most: int = 12) -> str:
    texts = [escape(name + (f" [{units[name]}]" if units.get(name) else "")) for name in names[:most]]
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*texts, *more]) or "–"
