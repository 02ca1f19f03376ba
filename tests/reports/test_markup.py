from __future__ import annotations

import numpy as np

from workbench.reports.markup import (
    Column,
    Figure,
    figures_block,
    legend_block,
    note_block,
    table_block,
    table_text,
    title_block,
)

COLUMNS = [
    Column("name", "Turbine", text=True),
    Column("energy", "Energy", "MWh", 1),
    Column("share", "Complete", share=True),
    Column("speed", "Wind", "m s-1"),
]
ROWS = [{"name": "A <1>", "energy": 1234.56, "share": 0.987, "speed": np.float32(5.55)}, {"name": "B", "energy": None}]


def test_a_table_names_units_and_escapes():
    html = table_block(ROWS, COLUMNS, title="By turbine", total={"name": "Farm", "energy": float("nan")}, note="n < 3")
    assert "A &lt;1&gt;" in html
    assert "n &lt; 3" in html
    assert '<span class="wb-unit">MWh</span>' in html
    assert '<span class="wb-unit">m/s</span>' in html
    assert "<td>1,234.6</td>" in html
    assert "<td>98.7</td>" in html
    assert html.count("–") >= 5  # missing values, also in the total
    assert "<tfoot>" in html


def test_a_table_as_text_has_the_same_numbers():
    lines = table_text(ROWS, COLUMNS).splitlines()
    assert lines[0].split() == ["Turbine", "Energy", "[MWh]", "Complete", "Wind", "[m/s]"]
    assert lines[1].split() == ["A", "<1>", "1,234.6", "98.7", "5.5"] or lines[1].split()[-1] == "5.6"


def test_figures_show_value_unit_and_note():
    assert Figure("e", "Energy", 13391.2, "MWh", 0).shown() == ("13,391", "MWh")
    assert Figure("a", "Availability", 0.98765, share=True).shown() == ("98.8", "%")
    assert Figure("a", "Availability", None, share=True).shown() == ("–", "%")
    html = figures_block([Figure("e", "A & B", 1.0, "kW", note="so & so")])
    assert "A &amp; B" in html
    assert "so &amp; so" in html


def test_blocks_escape_what_they_are_given():
    assert "<script" not in title_block("<script>", "<script>", "<script>", [("<script>", "<script>")])
    assert "wb-warning" in note_block("x", warning=True)
    assert legend_block([]) == ""
    assert legend_block([("a", "#123456", "line"), ("b", "#654321", "square")]).count("<svg") == 2
