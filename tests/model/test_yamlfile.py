"""YAML that knows its lines, and takes nothing but plain data."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.model.errors import InputError
from workbench.model.yamlfile import allowed_keys, load_yaml, parse_yaml, validation_errors

TEXT = """\
# a comment
site: north_ridge
entries:
  scada:
    cadence: 1s
    assets: [A, B]
  meter: {cadence: 1s,
          assets: [C]}
"""


def test_lines_of_keys_and_items():
    file = parse_yaml(TEXT, "a.yaml")
    assert file.data["entries"]["scada"] == {"cadence": "1s", "assets": ["A", "B"]}
    assert file.line(("site",)) == 2
    assert file.line(("entries", "scada")) == 4
    assert file.line(("entries", "scada", "assets", 1)) == 6
    assert file.line(("entries", "meter", "assets")) == 8
    assert file.line(()) == 2


def test_the_line_of_what_is_not_there_is_that_of_what_is_around_it():
    file = parse_yaml(TEXT, "a.yaml")
    assert file.line(("entries", "scada", "url")) == 4
    assert file.line(("nothing",)) == 2


def test_a_key_that_occurs_twice_is_an_error():
    with pytest.raises(InputError, match="occurs twice") as error:
        parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\n", "a.yaml")
    assert (error.value.line, error.value.where) == (4, "b.c")


def test_a_merged_key_may_be_replaced_but_not_given_twice():
    file = parse_yaml("base: &base {x: 1, y: 2}\nmore: {<<: *base, y: 3}\n", "a.yaml")
    assert file.data["more"] == {"x": 1, "y": 3}
    with pytest.raises(InputError, match="occurs twice"):
        parse_yaml("base: &base {x: 1}\nmore: {<<: *base, y: 3, y: 4}\n", "a.yaml")


@pytest.mark.parametrize("text", ["a: !!python/object:os.system {}", "a: !!python/name:os.system", "a: !secret x"])
def test_only_plain_data(text):
    with pytest.raises(InputError, match="only plain data is allowed") as error:
        parse_yaml("b: 1\n" + text, "a.yaml")
    assert error.value.line == 2


@pytest.mark.parametrize("text", ["a: [1, 2", "a: b: c", "\ta: 1", "a: 'x"])
def test_broken_yaml_says_where(text):
    with pytest.raises(InputError, match="not valid YAML") as error:
        parse_yaml("b: 1\n" + text, "a.yaml")
    assert error.value.line in (2, 3)
    assert error.value.file == "a.yaml"


def test_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot read"):
        load_yaml(tmp_path)
    (tmp_path / "empty.yaml").write_text("")
    assert load_yaml(tmp_path / "empty.yaml").data is None
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(InputError, match="cannot read"):
        load_yaml(tmp_path / "latin.yaml")


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    cadence: str
    port: int = Field(502, gt=0)
    assets: list[str] | dict[str, int] = Field(default_factory=list)


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    site: str
    entries: dict[str, Entry]


def errors_of(text: str) -> list[InputError]:
    file = parse_yaml(text, "a.yaml")
    with pytest.raises(ValidationError) as error:
        File.model_validate(file.data)
    return validation_errors(error.value, file, model=File)


def test_an_unknown_key_names_its_line_and_the_nearest():
    (error,) = errors_of("site: s\nentries:\n  scada:\n    cadence: 1s\n    assest: [A]\n")
    assert error.line == 5
    assert error.where == "entries.scada.assest"
    assert error.hint == "did you mean 'assets'?"
    assert error.expected == "one of cadence, port, assets"


def test_all_errors_are_found_in_the_order_of_their_lines():
    found = errors_of("site: s\nentries:\n  a: {cadence: 1s, port: -1}\n  b:\n    port: x\n    cadence: 1s\n  c: {}\n")
    assert [(error.line, error.where) for error in found] == [
        (3, "entries.a.port"),
        (5, "entries.b.port"),
        (7, "entries.c.cadence"),
    ]
    assert "'cadence' is missing" in found[2].message
    assert found[0].found == "-1"


def test_a_union_complains_once_per_place():
    found = errors_of("site: s\nentries:\n  a: {cadence: 1s, assets: 5}\n")
    assert {error.line for error in found} == {3}
    assert {error.where for error in found} == {"entries.a.assets"}


def test_allowed_keys_follow_the_model():
    assert allowed_keys(File, ()) == ["site", "entries"]
    assert allowed_keys(File, ("entries", "scada")) == ["cadence", "port", "assets"]
    assert allowed_keys(File, ("entries", "scada", "port")) == []
