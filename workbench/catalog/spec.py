"""What a catalog file says, checked: entries with their drivers' configurations.

Every error is collected, none stops the search for the next. A driver is known by its registered name only,
so a catalog cannot make anything be imported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from workbench.catalog.substitute import reveal, substitute
from workbench.model.errors import InputError, InputErrors, did_you_mean
from workbench.model.keys import AssetTypeName, CadenceText
from workbench.model.secrets import remember
from workbench.model.tags import ModbusMap, MqttMap, OpcUaMap, TagMap
from workbench.model.yamlfile import YamlFile, load_yaml, validation_errors

if TYPE_CHECKING:
    from workbench.model.assets import Portfolio

COMMON_KEYS = ("driver", "description", "licence", "tags")
STORE = "store"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MAPS: dict[str, type[ModbusMap] | type[OpcUaMap] | type[MqttMap]] = {
    "modbus": ModbusMap,
    "opcua": OpcUaMap,
    "mqtt": MqttMap,
}
#: Drivers of the house that cannot do without a tag map.
NEEDS_TAGS = frozenset(_MAPS)


class StoreConfig(BaseModel):
    """Keys of an entry that shows a series of the site's store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asset_type: AssetTypeName = Field(description="kind of the assets of the series, such as wind_turbine")
    cadence: CadenceText = Field(description="cadence of the series, such as 1s or 10min")
    assets: list[str] | None = Field(None, description="only these assets; all of the series if left out")


@dataclass
class EntrySpec:
    """One entry as it stands in its file, and what came of checking it."""

    name: str  #: ``<site>.<entry>``
    site: str | None
    file: YamlFile
    key: str  #: name inside the file
    raw: dict[str, Any]  #: as written: references not replaced, so that it can be shown
    portfolio: Portfolio | None = field(default=None, repr=False)
    driver: str = ""
    kind: str = ""  #: ``live``, ``file`` or ``store``; empty where the driver is not known
    _config: BaseModel | None = field(default=None, repr=False)
    _tagmap: TagMap | None = field(default=None, repr=False)
    _errors: list[InputError] = field(default_factory=list, repr=False)
    _checked: bool = False

    @property
    def config(self) -> BaseModel | None:
        """The driver's checked configuration; None where it is wrong."""
        self.check()
        return self._config

    @property
    def tagmap(self) -> TagMap | None:
        """The tag map of a live entry."""
        self.check()
        return self._tagmap

    @property
    def errors(self) -> list[InputError]:
        """Everything that is wrong with the entry, but for missing data files."""
        self.check()
        return self._errors

    def check(self) -> None:
        """Check the entry, once. Not done on opening: drivers bring heavy libraries."""
        if not self._checked:
            self._checked = True
            _check(self, self.portfolio)

    @property
    def folder(self) -> Path:
        """Where the entry's relative paths start."""
        return self.file.path.parent

    def error(self, message: str, *keys: str, **more: Any) -> InputError:
        """An error at ``keys`` inside the entry."""
        place = ("entries", self.key, *keys)
        return InputError(message, file=self.file.path, line=self.file.line(place), where=".".join(place), **more)


def load_specs(path: Path, portfolio: Portfolio | None) -> tuple[list[EntrySpec], list[InputError]]:
    """The entries of a catalog file, and what is wrong with the file itself."""
    try:
        file = load_yaml(path)
    except InputError as error:
        return [], [error]
    errors: list[InputError] = []
    data = file.data
    if not isinstance(data, dict) or not isinstance(data.get("entries"), dict):
        found = "an empty file" if data is None else ", ".join(map(str, data)) if isinstance(data, dict) else repr(data)
        return [], [InputError("not a catalog", file=path, found=found, expected="a mapping with the key 'entries'")]
    allowed = ("site", "description", "entries")
    errors += [
        InputError(
            f"unknown key {str(key)!r}",
            file=path,
            line=file.line((key,)),
            where=str(key),
            expected="one of " + ", ".join(allowed),
            hint=did_you_mean(str(key), allowed),
        )
        for key in data
        if key not in allowed
    ]
    site = data.get("site")
    if site is not None and (portfolio is not None and site not in portfolio.sites):
        errors.append(
            InputError(
                f"no site {str(site)!r} in the portfolio",
                file=path,
                line=file.line(("site",)),
                where="site",
                expected="one of " + ", ".join(portfolio.sites),
                hint=did_you_mean(str(site), portfolio.sites),
            )
        )
    specs = []
    for key, raw in data["entries"].items():
        values = raw if isinstance(raw, dict) else {}
        spec = EntrySpec(f"{site or path.stem}.{key}", site, file, str(key), values, portfolio)
        spec.driver = str(values.get("driver", ""))
        spec.kind = _kind(spec.driver)
        wrong = None
        if not _NAME.fullmatch(str(key)):
            wrong = spec.error(
                "not a good name for an entry", found=repr(key), expected="a-z, 0-9 and _, a letter first"
            )
        elif not isinstance(raw, dict):
            wrong = spec.error("an entry is a mapping with the key 'driver'", found=repr(raw))
        if wrong is not None:
            spec._errors, spec._checked = [wrong], True
        specs.append(spec)
    return specs, errors


def _kind(driver: str) -> str:
    from workbench.sources import readers, registry

    if driver == STORE:
        return STORE
    if driver in readers.readers():
        return "file"
    return "live" if driver in registry.drivers() else ""


def _check(spec: EntrySpec, portfolio: Portfolio | None) -> None:
    """Fill in driver, configuration and tag map, and everything that is wrong with them."""
    from workbench.sources import readers, registry

    values: dict[str, Any] = spec.raw
    try:
        values = substitute(spec.raw, spec.file, ("entries", spec.key))
    except InputErrors as error:
        spec._errors += error.errors
        # go on with what is written, so that other errors show in the same pass
    known = sorted({*registry.drivers(), *readers.readers(), STORE})
    driver = values.get("driver")
    if driver is None:
        spec._errors.append(spec.error("the key 'driver' is missing", expected="one of " + ", ".join(known)))
        return
    if driver not in known:
        hint = did_you_mean(str(driver), known)
        spec._errors.append(
            spec.error(f"unknown driver {str(driver)!r}", "driver", expected="one of " + ", ".join(known), hint=hint)
        )
        return
    spec.driver, spec.kind = driver, _kind(driver)
    for key in ("description", "licence"):
        if not isinstance(values.get(key, ""), str):
            spec._errors.append(spec.error("not a text", key, found=repr(values[key])))
    model: type[BaseModel] = StoreConfig
    if spec.kind == "file":
        model = readers.reader(driver).Config
    elif spec.kind == "live":
        model = registry.driver(driver).Config
    own = {key: value for key, value in values.items() if key not in COMMON_KEYS}
    if "tags" in values and "tags" in model.model_fields:
        own["tags"] = values["tags"]
    had_errors = bool(spec._errors)
    try:
        config = model.model_validate(reveal(own))
    except ValidationError as error:
        found = validation_errors(error, spec.file, place=("entries", spec.key), model=model)
        # a value whose reference could not be resolved has been told of already
        told = {one.where for one in spec._errors}
        spec._errors += [_with_common_keys(one, spec) for one in found if one.where not in told]
    else:
        spec._config = None if had_errors else config
        _remember_secrets(config)
        if spec.kind != "file" or readers.reader(driver).in_portfolio:
            _check_assets(spec, config, portfolio)
        if spec.kind == "file":
            _check_reader(spec, config)
    if spec.kind in ("live", STORE) and spec.site is None:
        spec._errors.append(spec.error(f"a {spec.kind} entry belongs to a site", hint="give the file the key 'site'"))
    if spec.kind == "live":
        _check_tags(spec, values.get("tags"))


def _remember_secrets(config: BaseModel) -> None:
    """Have passwords that stand in the file itself masked in whatever a library says later."""
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, SecretStr):
            remember(value.get_secret_value())
        elif isinstance(value, BaseModel):
            _remember_secrets(value)


def _with_common_keys(error: InputError, spec: EntrySpec) -> InputError:
    """An unknown key may be a misspelt one of those that every entry has."""
    if error.message.startswith("unknown key") and error.hint is None and error.where is not None:
        parts = error.where.split(".")
        if len(parts) == 3:
            error = error.at(hint=did_you_mean(parts[-1], COMMON_KEYS))
    return error


def _check_reader(spec: EntrySpec, config: BaseModel) -> None:
    """Unknown variables and units of a file entry; missing files are told by ``Catalog.check`` and ``read``."""
    from workbench.sources.file_config import unknown_variables

    columns = getattr(config, "columns", None)
    for problem in unknown_variables(columns) if columns else []:
        keys = _keys(problem.where or "", spec.raw)
        spec._errors.append(
            spec.error(problem.message, *keys, found=problem.found, expected=problem.expected, hint=problem.hint)
        )


def _keys(where: str, raw: Any) -> tuple[str, ...]:
    """``where`` taken apart along the keys of ``raw``, which may hold dots themselves."""
    keys: list[str] = []
    rest = where
    while rest and isinstance(raw, dict):
        key = next(
            (k for k in sorted(map(str, raw), key=len, reverse=True) if rest == k or rest.startswith(k + ".")), None
        )
        if key is None:
            break
        keys.append(key)
        raw, rest = raw.get(key), rest[len(key) + 1 :]
    return (*keys, rest) if rest else tuple(keys)


def asset_names(config: BaseModel) -> dict[str, tuple[str, ...]]:
    """The assets an entry names: id to the keys at which it stands."""
    names: dict[str, tuple[str, ...]] = {}
    assets = getattr(config, "assets", None)
    if isinstance(assets, (dict, list)):
        names |= {str(name): ("assets", str(name)) for name in assets}
    asset = getattr(config, "asset", None)
    if asset is not None and not isinstance(asset, str):
        if asset.id is not None:
            names[asset.id] = ("asset",)
        names |= {ours: ("asset", "names", theirs) for theirs, ours in asset.names.items()}
    one = getattr(config, "asset_id", None)
    if one is not None:
        names[one] = ("asset_id",)
    more = getattr(config, "names", None)
    if isinstance(more, dict):
        names |= {ours: ("names", theirs) for theirs, ours in more.items()}
    return names


def _check_assets(spec: EntrySpec, config: BaseModel, portfolio: Portfolio | None) -> None:
    """Assets that the portfolio does not have at the entry's site, or has as another type."""
    if portfolio is None or spec.site not in portfolio.sites:
        return
    there = {asset.id: asset for asset in portfolio.assets(site=spec.site)}
    kind = getattr(config, "asset_type", None)
    fitting = [asset.id for asset in there.values() if kind in (None, asset.type)]
    for name, keys in asset_names(config).items():
        if name not in there:
            spec._errors.append(
                spec.error(
                    f"no asset {name!r} at {spec.site} in the portfolio",
                    *keys,
                    expected="one of " + ", ".join(fitting or there),
                    hint=did_you_mean(name, there),
                )
            )
        elif kind is not None and there[name].type != kind:
            spec._errors.append(
                spec.error(f"{name} is not of type {kind}", *keys, found=there[name].type, expected=kind)
            )


def _check_tags(spec: EntrySpec, tags: object) -> None:
    if tags is None:
        if spec.driver in NEEDS_TAGS:
            spec._errors.append(spec.error("the key 'tags' is missing", expected="the path of a tag map"))
        return
    if not isinstance(tags, str):
        spec._errors.append(spec.error("not a path", "tags", found=repr(tags), expected="the path of a tag map"))
        return
    path = spec.folder / tags
    if not path.is_file():
        near = did_you_mean(path.name, [other.name for other in path.parent.glob("*.y*ml")])
        spec._errors.append(spec.error("no such file", "tags", found=path, hint=near))
        return
    try:
        spec._tagmap = load_tagmap(path, spec.driver)
    except InputErrors as error:
        spec._errors += [one.at(used_by=[spec.name]) for one in error.errors]
    except InputError as error:
        spec._errors.append(error.at(used_by=[spec.name]))


def load_tagmap(path: Path, protocol: str | None = None) -> TagMap:
    """Read and check a tag map.

    Parameters
    ----------
    path
        The YAML file.
    protocol
        The protocol it must be for.

    Raises
    ------
    InputError, InputErrors
        With every error in the file: unknown keys, variables, units, states.
    """
    file = load_yaml(path)
    data = file.data
    if not isinstance(data, dict):
        raise InputError("not a tag map", file=path, expected="a mapping with the keys 'protocol' and 'tags'")
    said = data.get("protocol")
    if said not in _MAPS:
        raise InputError(
            "the key 'protocol' is missing" if said is None else f"unknown protocol {str(said)!r}",
            file=path,
            line=file.line(("protocol",)),
            where="protocol",
            expected="one of " + ", ".join(_MAPS),
            hint=None if said is None else did_you_mean(str(said), _MAPS),
        )
    if protocol in _MAPS and said != protocol:
        raise InputError(
            f"a tag map for {said}, not for {protocol}", file=path, line=file.line(("protocol",)), where="protocol"
        )
    try:
        tagmap: TagMap = _MAPS[said].model_validate(data)
    except ValidationError as error:
        raise InputErrors(validation_errors(error, file, model=_MAPS[said])) from error
    wrong = _tag_errors(tagmap, file)
    if wrong:
        raise InputErrors(wrong)
    return tagmap


def _tag_errors(tagmap: TagMap, file: YamlFile) -> list[InputError]:
    """What the vocabulary has against a tag map."""
    from workbench.model.vocabulary import vocabulary
    from workbench.sources.file_config import fits

    errors = []
    words = vocabulary()
    for name, tag in tagmap.tags.items():
        term = words.get(name)
        place = ("tags", name)
        if term is None:
            near = words.nearest(name)
            errors.append(
                InputError(
                    f"{name!r} is not in the vocabulary",
                    file=file.path,
                    line=file.line(place),
                    where=".".join(place),
                    hint=f"did you mean {near[0]!r}?" if near else "workbench vocabulary list shows all names",
                )
            )
            continue
        if tag.units is not None and not fits(tag.units, term.units):
            errors.append(
                InputError(
                    f"unit {tag.units!r} does not fit {name}",
                    file=file.path,
                    line=file.line((*place, "units")),
                    where=".".join((*place, "units")),
                    expected=f"a unit that converts to {term.units}",
                )
            )
        known = term.states or {}
        for code, state in (tag.states or {}).items():
            if state not in known:
                errors.append(
                    InputError(
                        f"{state!r} is not a state of {name}",
                        file=file.path,
                        line=file.line((*place, "states", code)),
                        where=".".join((*place, "states", str(code))),
                        expected="one of " + ", ".join(known) if known else "a variable with states",
                        hint=did_you_mean(state, known),
                    )
                )
    return errors
