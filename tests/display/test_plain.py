from __future__ import annotations

from workbench.display.plain import plain_page


def test_what_is_put_in_is_shown_as_it_is():
    form = {"next": '/"><script>', "name": "<b>", "error": "a & b"}
    html = plain_page("<i>Sign in</i>", "1 < 2", link=("/x?a=1&b=2", "on"), form=form)
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;i&gt;Sign in" in html
    assert "a &amp; b" in html
    assert 'type="password"' in html
    assert 'type="password"' not in plain_page("Signed out")
