"""Wallboard: the portfolio for a screen on the wall, and for any number of browsers.

Like a page it is a list of rows; but the server makes it once for all who look, so that only parts can stand on it.
"""

from workbench.display import Wallboard, live_view, parts

view = live_view()
board = Wallboard("Portfolio", view)

if view.now.empty:
    board.row(parts.how_to_start(view))
else:
    board.row(parts.verdict())
    board.row(
        parts.power_now(),
        parts.by_kind(),
        parts.capacity_factor(),
        parts.energy_today(),
        parts.frequency(),
        css="tiles",
    )
    # A list stands on top of each other; the row called "rest" takes what room the others leave.
    board.row(
        [parts.sites(span=7), parts.power_trend(view, hours=24, span=7)],
        [parts.state_matrix(span=5), parts.data_health(span=5), parts.recent_records(view, span=5, limit=4)],
        css="rest",
    )

board.show()
