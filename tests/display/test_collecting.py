from __future__ import annotations

import pytest

from workbench.display import parts
from workbench.display.collecting import troubles
from workbench.display.readings import Now
from workbench.display.states import STATES
from workbench.model.samples import NS

WELL = {
    "values_per_s": 42.0,
    "waiting": 3,
    "journal_backlog_s": 0.2,
    "dropped": 0,
    "clock": 0,
    "late": 0,
    "keeper": True,
    "journal_error": "",
    "started": 1_763_000_000 * NS,
    "values": 1000,
}
ILL = {
    "dropped": (12, "12 samples dropped", "fault"),
    "clock": (1, "1 sample with a suspect clock", "operating_reduced"),
    "keeper": (False, "keeper not running", "operating_reduced"),
    "journal_backlog_s": (30.0, "3 samples, for 30", "operating_reduced"),
    "journal_error": ("OSError: disk full", "journal refuses samples: OSError: disk full", "fault"),
}


@pytest.fixture
def now(make_site, portfolio, now_ns):
    def make(running=True, **collector):
        every = {
            "state": "ok",
            "last_time": now_ns,
            "last_received": now_ns,
            "samples": 1,
            "bad": 0,
            "errors": 0,
            "reconnects": 0,
            "last_error": "",
        }
        sources = {
            "north_ridge.meter": {"protocol": "modbus", "series": "grid_meter/1s", "devices": {"NR-GRID": every}}
        }
        health = {"time": now_ns, "collector": WELL | collector, "sources": sources, "running": running}
        values = {"wind_turbine": {f"NR-T0{i}": {"power_output": 1.0} for i in range(1, 7)}}
        values |= {"met_mast": {"NR-MAST": {"wind_speed": 8.0}}, "grid_meter": {"NR-GRID": {"active_power": 6.0}}}
        return Now(now_ns, 1, portfolio, {"north_ridge": make_site("north_ridge", values, health=health)})

    return make


def test_nothing_wrong_says_nothing_and_has_no_colour(now):
    assert troubles(now().site("north_ridge")) == []
    assert "Portfolio is well" in parts.verdict().render(now())
    assert "Every source delivers" in parts.sources_verdict().render(now())
    tile = parts.collectors().render(now())
    assert "<dt>Keeper</dt><dd>runs</dd>" in tile
    assert "<dt>Dropped</dt><dd>0</dd>" in tile
    abnormal = [f"s-{state.name}" for state in STATES.values() if state.abnormal]
    assert not [name for name in abnormal if name in tile + parts.data_health().render(now())]


@pytest.mark.parametrize("name", ILL)
def test_what_is_wrong_is_said_on_every_page(now, name):
    value, words, state = ILL[name]
    ill = now(**{name: value})
    [trouble] = troubles(ill.site("north_ridge"))
    assert words in trouble.words
    assert trouble.state == state
    for part in (parts.verdict(), parts.site_verdict("north_ridge"), parts.sources_verdict()):
        assert words.split(":")[0] in part.render(ill)
        assert "needs attention" in part.render(ill)
    assert words in parts.data_health().render(ill)
    assert f"s-{state}" in parts.collectors().render(ill)


def test_samples_that_wait_are_judged_without_the_backlog_too(now):
    def without(waiting):
        ill = now(waiting=waiting)
        collector = dict(ill.site("north_ridge").health["collector"])
        del collector["journal_backlog_s"]
        ill.site("north_ridge").health["collector"] = collector
        return [trouble.words for trouble in troubles(ill.site("north_ridge"))]

    assert without(3) == []
    assert without(4000) == ["4,000 samples waiting for the journal"]


@pytest.mark.parametrize(
    ("said", "words"),
    [({"state": "restarting"}, "restarting"), ("running", ""), (None, ""), ("not_running", "not running")],
)
def test_the_keeper_may_speak_in_words(now, said, words):
    found = [trouble.words for trouble in troubles(now(keeper=said).site("north_ridge"))]
    assert found == ([f"keeper {words}"] if words else [])


def test_lost_events_and_restarts_are_said(now):
    lost = now(dropped=2, dropped_events=1)
    assert [one.words for one in troubles(lost.site("north_ridge"))] == ["2 samples and 1 event dropped"]
    again = now(keeper_restarts=2)
    assert troubles(again.site("north_ridge")) == []
    assert "runs, started again 2 times" in parts.collectors().render(again)


def test_what_the_keeper_cannot_do_is_said_on_every_page(now):
    ill = now()
    ill.sites["north_ridge"].health["keeper_trouble"] = ["nothing goes from the journal into the store: why"]
    [trouble] = troubles(ill.site("north_ridge"))
    assert trouble.state == "operating_reduced"
    for part in (parts.verdict(), parts.site_verdict("north_ridge"), parts.sources_verdict()):
        assert "nothing goes from the journal into the store" in part.render(ill)


def test_a_collector_that_stopped_has_no_keeper_to_miss(now):
    assert troubles(now(running=False, keeper=False, waiting=9999).site("north_ridge")) == []


def test_one_silent_site_of_two_is_not_the_whole_portfolio(now, make_site, now_ns):
    both = now(running=False)
    both.sites["coastal_flats"] = make_site("coastal_flats", {})
    assert "Partly without data" in parts.verdict().render(both)
    assert "No live data" in parts.verdict().render(now(running=False))
