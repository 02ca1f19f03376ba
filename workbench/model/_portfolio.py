"""Read and check the files of a portfolio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from workbench.model._site_file import AssetSpec, SiteSpec
from workbench.model.assets import (
    MODELS,
    Asset,
    BatteryModel,
    InverterModel,
    Model,
    ModuleModel,
    Site,
    TurbineModel,
)
from workbench.model.errors import InputError, did_you_mean
from workbench.model.vocabulary import ASSET_TYPES
from workbench.model.yamlfile import Place, YamlFile, load_yaml, validation_errors

Errors = list[InputError]
_FITS: dict[str, type[BaseModel]] = {"wind_turbine": TurbineModel, "inverter": InverterModel, "battery": BatteryModel}


def read_portfolio(folder: Path) -> tuple[dict[str, Site], Errors]:
    """The sites of a portfolio's folder, and everything that is wrong with its files."""
    if not folder.is_dir():
        return {}, [InputError("no such folder", file=folder, expected="a folder with a YAML file per site")]
    errors: Errors = []
    models = _read_models(folder / "models", errors)
    sites: dict[str, Site] = {}
    homes: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        site = _read_site(path, models, homes, errors)
        if site is None:
            continue
        if site.id in sites:
            errors.append(InputError("the site occurs twice", file=path, where="id", found=site.id))
        sites[site.id] = site
    return sites, errors


def _read_models(folder: Path, errors: Errors) -> dict[str, Model]:
    """The data sheets of a folder, by the name they have in their file."""
    models: dict[str, Model] = {}
    homes: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            file = load_yaml(path)
        except InputError as error:
            errors.append(error)
            continue
        if not isinstance(file.data, dict):
            errors.append(
                InputError("not a file of data sheets", file=path, expected="a mapping of names to data sheets")
            )
            continue
        for name, data in file.data.items():
            line = file.line((name,))
            kind = data.get("kind") if isinstance(data, dict) else None
            if kind not in MODELS:
                errors.append(
                    InputError(
                        "not a data sheet",
                        file=path,
                        line=line,
                        where=f"{name}.kind",
                        found=kind,
                        expected="kind: one of " + ", ".join(MODELS),
                    )
                )
                continue
            if name in models:
                errors.append(
                    InputError(
                        "the name occurs twice", file=path, line=line, where=str(name), found=f"also in {homes[name]}"
                    )
                )
            try:
                models[str(name)] = MODELS[kind].model_validate(data)  # type: ignore[assignment]
            except ValidationError as error:
                errors += validation_errors(error, file, place=(name,), model=MODELS[kind])
            homes[str(name)] = f"{path.name}:{line}"
    return models


def _read_site(path: Path, models: dict[str, Model], homes: dict[str, str], errors: Errors) -> Site | None:
    try:
        file = load_yaml(path)
    except InputError as error:
        errors.append(error)
        return None
    wrong = _wrong_defaults(file)
    if wrong:
        errors += wrong
        return None
    data = _with_defaults(file.data)
    try:
        spec = SiteSpec.model_validate(data)
    except ValidationError as error:
        errors += validation_errors(error, YamlFile(file.path, data, file.lines), model=SiteSpec)
        return None
    if spec.id != path.stem:
        errors.append(
            InputError(
                "the file is not named after its site",
                file=path,
                line=file.line(("id",)),
                where="id",
                found=spec.id,
                expected=f"{path.stem}, or the file named {spec.id}.yaml",
            )
        )
    assets = []
    ids = {asset.id for asset in spec.assets}
    for index, one in enumerate(spec.assets):
        place: Place = ("assets", index)
        if one.id in homes:
            errors.append(
                _at(file, (*place, "id"), "the asset occurs twice", found=one.id, expected=f"see {homes[one.id]}")
            )
        homes[one.id] = f"{path.name}:{file.line((*place, 'id'))}"
        if one.parent is not None and one.parent not in ids:
            hint = did_you_mean(one.parent, ids)
            errors.append(_at(file, (*place, "parent"), "no such asset at this site", found=one.parent, hint=hint))
        sheet = _model(file, _place(file, index, "model"), one.model, models, _FITS.get(one.type), errors)
        module = _model(file, _place(file, index, "module"), one.module, models, ModuleModel, errors)
        assets.append(_asset(one, spec, sheet, module if isinstance(module, ModuleModel) else None))
    return Site(
        **{
            name: getattr(spec, name)
            for name in type(spec).model_fields
            if name not in ("assets", "defaults", "registrations")
        },
        registrations={key: str(value) for key, value in spec.registrations.items()},
        assets=assets,
    )


def _with_defaults(data: Any) -> Any:
    """The site's data with ``defaults`` filled into its assets; anything odd is left for the check to find."""
    if (
        not isinstance(data, dict)
        or not isinstance(data.get("defaults"), dict)
        or not isinstance(data.get("assets"), list)
    ):
        return data
    defaults = data["defaults"]
    filled = []
    for asset in data["assets"]:
        shared = defaults.get(asset.get("type")) if isinstance(asset, dict) else None
        filled.append({**shared, **asset} if isinstance(shared, dict) else asset)
    return {**data, "assets": filled}


def _wrong_defaults(file: YamlFile) -> Errors:
    """What is wrong with the defaults, told once and not for every asset that takes them."""
    defaults = file.data.get("defaults") if isinstance(file.data, dict) else None
    errors: Errors = []
    for kind, shared in defaults.items() if isinstance(defaults, dict) else ():
        place: Place = ("defaults", kind)
        if not isinstance(shared, dict):
            errors.append(_at(file, place, "not a mapping of keys to values", found=shared))
            continue
        for key in {"id", "type"} & shared.keys():
            errors.append(_at(file, (*place, key), "each asset says this for itself"))
        try:
            AssetSpec.model_validate({**shared, "id": "any", "type": kind})
        except ValidationError as error:
            if str(kind) not in ASSET_TYPES:
                hint = did_you_mean(str(kind), ASSET_TYPES)
                errors.append(_at(file, place, "no such kind of asset", found=kind, hint=hint))
            else:
                errors += validation_errors(error, file, place=place, model=AssetSpec)
    return errors


def _place(file: YamlFile, index: int, key: str) -> Place:
    """Where an asset's key stands: with the asset, or with the defaults of its kind."""
    asset = file.data["assets"][index]
    return ("assets", index, key) if key in asset else ("defaults", asset["type"], key)


def _at(file: YamlFile, place: Place, message: str, **more: Any) -> InputError:
    where = ".".join(map(str, place))
    return InputError(message, file=file.path, line=file.line(place), where=where, **more)


def _model(
    file: YamlFile,
    place: Place,
    name: str | None,
    models: dict[str, Model],
    kind: type[BaseModel] | None,
    errors: Errors,
) -> Model | None:
    """The data sheet that an asset names; what is wrong with a default is told once."""
    if name is None or kind is None:
        return None
    found = models.get(name)
    error = None
    if found is None:
        hint = did_you_mean(name, models)
        error = _at(file, place, "no data sheet of this name in models/", found=name, hint=hint)
    elif not isinstance(found, kind):
        error = _at(file, place, "the data sheet is of another kind", found=f"{name}, a {found.kind}")
    if error is not None and str(error) not in map(str, errors):
        errors.append(error)
    return found


def _asset(spec: AssetSpec, site: SiteSpec, sheet: Model | None, module: ModuleModel | None) -> Asset:
    """The asset with what its data sheets and its site say where it says nothing itself."""

    def fact(name: str) -> Any:
        own = getattr(spec, name)
        return getattr(sheet, name, None) if own is None else own

    dc_capacity = spec.dc_capacity
    if dc_capacity is None and module is not None and spec.strings is not None:
        dc_capacity = module.power_stc * spec.strings.modules * spec.strings.count / 1000
    return Asset(
        id=spec.id,
        type=spec.type,
        site=site.id,
        rated_capacity=fact("rated_capacity"),
        name=spec.name or spec.id,
        model=spec.model,
        manufacturer=fact("manufacturer"),
        hub_height=fact("hub_height"),
        rotor_diameter=fact("rotor_diameter"),
        power_curve=fact("power_curve"),
        latitude=site.latitude if spec.latitude is None else spec.latitude,
        longitude=site.longitude if spec.longitude is None else spec.longitude,
        elevation=site.elevation if spec.elevation is None else spec.elevation,
        height=spec.height,
        in_service=spec.in_service,
        dc_capacity=dc_capacity,
        energy_capacity=fact("energy_capacity"),
        strings=spec.strings,
        module_model=spec.module,
        layout=spec.layout or (site.layout if spec.type in ("inverter", "tracker", "irradiance_sensor") else None),
        parent=spec.parent,
        registrations={key: str(value) for key, value in {**site.registrations, **spec.registrations}.items()},
        attributes=dict(spec.attributes),
        data_sheet=sheet,
        module=module,
    )
