from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.model.jsonfile import load_plain, parse_json, without_comments

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 2]))
def test_what_json_takes_is_read_as_json_reads_it(value, indent):
    text = json.dumps(value, indent=indent)
    assert parse_json(text, "x.json").data == json.loads(text)


def test_comments_and_last_commas_are_passed_over():
    text = """{
      "regex": "^[A-Z0-9]{9}$", // CUSIP pattern, "quoted", /* too */
      "url": "http://example.org/a", /* two
      lines */ "list": [1, 2, 3,],
      "text": "a, ] // b",
    }"""
    found = parse_json(text, "x.json")
    assert found.data == {
        "regex": "^[A-Z0-9]{9}$",
        "url": "http://example.org/a",
        "list": [1, 2, 3],
        "text": "a, ] // b",
    }
    assert found.lines["list",] == 4
    assert found.lines["list", 2] == 4
    assert found.lines["text",] == 5
    assert len(without_comments(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "a value is missing"),
        ('{"a": 1,, "b": 2}', 1, "a key in double quotes is missing"),
        ("[1,,]", 1, "expecting value"),
        ("{'a': 1}", 1, "a key in double quotes is missing"),
        ('{"a": 1\n "b": 2}', 2, "a comma or } is missing"),
        ("[1\n 2]", 2, "a comma or ] is missing"),
        ('{"a"\n 1}', 2, "a colon is missing after the key"),
        ('{"a": "b\n"}', 1, "a string does not end on its line"),
        ('{"a": tru}', 1, "expecting value"),
        ('{"a": 1} x', 1, "something stands after the end"),
        ('\n\n{"a": /* b }', 3, "a comment does not end"),
        ('{"a": NaN}', 1, "NaN is no number of JSON"),
        ("[" * 200, 1, "nested more than a hundred deep"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, line, message):
    with pytest.raises(InputError, match=message) as found:
        parse_json(text, "pipe.json")
    assert found.value.line == line
    assert "pipe.json" in str(found.value)


def test_a_key_that_occurs_twice_is_an_error():
    with pytest.raises(InputError, match="twice") as found:
        parse_json('{"a": {"b": 1,\n"b": 2}}', "x.json")
    assert found.value.line == 2
    assert found.value.where == "a.b"


def test_files_are_read_by_their_suffix(tmp_path):
    (tmp_path / "a.json").write_text('\ufeff{"a": 1e-5}')
    (tmp_path / "a.yaml").write_text("a: [1, 2]  # two\n")
    assert load_plain(tmp_path / "a.json").data == {"a": 1e-5}
    assert load_plain(tmp_path / "a.yaml").data == {"a": [1, 2]}
    with pytest.raises(InputError, match="no such file"):
        load_plain(tmp_path / "b.json")
