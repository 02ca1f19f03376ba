"""What a catalog says of a file: the keys of the file drivers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from workbench.model.errors import InputError, did_you_mean
from workbench.model.keys import AssetTypeName, CadenceText
from workbench.model.time import Ambiguous, Nonexistent

#: What stands for a missing value where the entry does not say.
USUAL_NULLS = ("NaN", "nan", "NULL", "null", "NA", "N/A", "n/a")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def short(key: str) -> BeforeValidator:
    """Validator that lets a plain string stand for a mapping with only ``key``."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


class TimeColumn(_Model):
    """Where the time of a row stands."""

    column: str = Field(description="name of the column")
    format: str = Field(
        "iso8601", description="iso8601, unix_s, unix_ms, unix_us, unix_ns or a strptime pattern such as %d.%m.%Y %H:%M"
    )
    zone: str | None = Field(
        None, description="time zone of times that carry no offset; UTC if left out (IANA name, e.g. Europe/Paris)"
    )
    ambiguous: Ambiguous = Field(
        "raise",
        description="the hour that the clock shows twice when daylight saving ends: earlier, later, infer (from the "
        "order of the rows of each asset), missing (rows without a time are left out and counted) or raise",
    )
    nonexistent: Nonexistent = Field(
        "raise",
        description="the hour that the clock skips when daylight saving begins: shift_forward (to its end), missing "
        "or raise",
    )
    label: Literal["start", "end"] = Field("start", description="whether the time names the start or end of the period")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        from zoneinfo import available_timezones

        if value is not None and value not in available_timezones():
            hint = did_you_mean(value, available_timezones())
            raise ValueError(f"unknown time zone {value!r}" + (f"; {hint}" if hint else ""))
        return value


class AssetColumn(_Model):
    """Where the asset of a row stands: a column, or one asset for the whole file."""

    column: str | None = Field(None, description="name of the column")
    id: str | None = Field(None, description="the asset, where the whole file is of one")
    names: dict[str, str] = Field(default_factory=dict, description="name in the file to asset id")

    @model_validator(mode="after")
    def _one_of(self) -> AssetColumn:
        if (self.column is None) == (self.id is None):
            raise ValueError("exactly one of column and id is needed")
        return self


class Column(_Model):
    """What a column means."""

    variable: str = Field(description="name in the vocabulary")
    units: str | None = Field(None, description="unit in the file; the vocabulary's if left out")
    scale: float = Field(1.0, description="value = raw * scale + offset, in the file's unit")
    offset: float = Field(0.0, description="see scale")
    states: dict[str, str] | None = Field(None, description="text or code in the file to the vocabulary's state")
    own: bool = Field(False, description="a variable of your own, outside the vocabulary; needs units")
    long_name: str | None = Field(None, description="what the variable is called; the vocabulary's if left out")

    @model_validator(mode="after")
    def _own_has_units(self) -> Column:
        if self.own and self.units is None:
            raise ValueError("a variable of your own needs units ('1' where it has none)")
        return self


class FileConfig(_Model):
    """Keys shared by all file drivers."""

    asset_type: AssetTypeName = Field(description="kind of the assets: wind_turbine, inverter, …")
    cadence: CadenceText | None = Field(
        None, description="length of a slot, such as 10min; the times as they are if left out"
    )
    path: Annotated[list[str], BeforeValidator(_one_or_many)] = Field(
        default_factory=list,
        description="files or glob patterns, relative to the catalog file; with url: places to look first",
    )
    url: str | None = Field(None, description="public http(s) address, downloaded once")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="checksum of the download")

    @field_validator("path")
    @classmethod
    def _no_empty(cls, value: list[str]) -> list[str]:
        return [text for text in value if text]

    @field_validator("url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError("not an http(s) address")
        return value

    @model_validator(mode="after")
    def _somewhere(self) -> FileConfig:
        if not self.path and self.url is None:
            raise ValueError("one of path and url is needed")
        if self.url is not None and self.sha256 is None:
            raise ValueError("url needs sha256, the checksum of the file")
        return self


class TableConfig(FileConfig):
    """Keys shared by tables."""

    member: str | None = Field(None, description="file inside a zip archive")
    time: Annotated[TimeColumn, short("column")] = Field(
        description="name of the time column, or {column: …, zone: …, …}"
    )
    asset: Annotated[AssetColumn, short("id")] = Field(description="asset id, or {column: …, names: {…}}")
    columns: dict[str, Annotated[Column, short("variable")]] = Field(
        min_length=1, description="column in the file to a variable of the vocabulary, or to {variable: …, units: …, …}"
    )

    @field_validator("columns")
    @classmethod
    def _distinct(cls, value: dict[str, Column]) -> dict[str, Column]:
        seen: dict[str, str] = {}
        for column, meaning in value.items():
            if meaning.variable in seen:
                raise ValueError(f"columns {seen[meaning.variable]!r} and {column!r} both give {meaning.variable!r}")
            seen[meaning.variable] = column
        return value


class CsvConfig(TableConfig):
    """Keys of a CSV entry."""

    separator: str = Field(",", min_length=1, max_length=1, description="between two cells")
    decimal_comma: bool = Field(False, description="numbers are written 1,5")
    null_values: list[str] | None = Field(
        None, description="the file's words for a missing value; the usual ones (NaN, NULL, NA, …) if left out"
    )
    skip_rows: int = Field(0, ge=0, description="lines before the header")
    comment: str | None = Field(None, description="lines that begin with it are left out")
    encoding: Literal["utf8", "utf8-lossy"] = Field("utf8", description="utf8-lossy: what is no UTF-8 becomes a mark")


def unknown_variables(columns: Mapping[str, Column]) -> list[InputError]:
    """What the vocabulary has against a mapping: unknown variables, unfit units, unknown states."""
    from workbench.model.vocabulary import vocabulary

    problems = []
    words = vocabulary()
    for name, column in columns.items():
        if column.own:
            continue
        where, term = f"columns.{name}", words.get(column.variable)
        if term is None:
            near = words.nearest(column.variable)
            hint = f"did you mean {near[0]!r}? " if near else ""
            hint += "A variable of your own is written {variable: …, units: …, own: true}"
            problems.append(InputError(f"{column.variable!r} is not in the vocabulary", where=where, hint=hint))
            continue
        if column.units is not None and not fits(column.units, term.units):
            problems.append(
                InputError(
                    f"unit {column.units!r} does not fit {column.variable}",
                    where=f"{where}.units",
                    expected=f"a unit that converts to {term.units}",
                )
            )
        known = term.states or {}
        for text, state in (column.states or {}).items():
            if state not in known:
                problems.append(
                    InputError(
                        f"{state!r} is not a state of {column.variable}",
                        where=f"{where}.states.{text}",
                        expected="one of " + ", ".join(known) if known else "a variable with states",
                        hint=did_you_mean(state, known),
                    )
                )
    return problems


def fits(unit: str, target: str) -> bool:
    """Whether values in ``unit`` can be converted to ``target``."""
    from workbench.model.units import same_dimension

    try:
        return bool(same_dimension(unit, target))
    except InputError:
        return False
