from __future__ import annotations

import bokeh.io.doc
import pytest
from bokeh.document import Document
from bokeh.document.callbacks import invoke_with_curdoc
from bokeh.io import curdoc

from workbench.display.documents import forget_the_dead, let_documents_go


def test_a_document_whose_work_failed_is_no_longer_the_current_one():
    before = curdoc()
    let_documents_go()
    page = Document()
    seen = []

    def work():
        seen.append(curdoc())
        raise ValueError("the page was closed")

    with pytest.raises(ValueError, match="closed"):
        invoke_with_curdoc(page, work)
    assert seen == [page]
    assert curdoc() is before


def test_documents_of_two_threads_may_end_in_any_order():
    before = curdoc()
    let_documents_go()
    first, second = Document(), Document()
    one, two = bokeh.io.doc.patch_curdoc(first), bokeh.io.doc.patch_curdoc(second)
    with one:
        two.__enter__()
        assert curdoc() is second
    assert curdoc() is second
    two.__exit__(None, None, None)
    assert curdoc() is before


@pytest.fixture
def closed() -> Document:
    page = Document()
    del page._theme, page._roots  # as Document.destroy does, which wants a session
    return page


def test_a_closed_document_that_was_set_for_the_process_is_forgotten(closed: Document):
    from bokeh.io.doc import set_curdoc

    before = curdoc()
    set_curdoc(closed)
    try:
        forget_the_dead()
        assert curdoc() is not closed
        curdoc().theme = None  # a dead one has no theme to set
    finally:
        set_curdoc(before)


def test_a_closed_document_on_the_stack_is_forgotten_and_others_stay(closed: Document):
    alive = Document()
    let_documents_go()
    with bokeh.io.doc.patch_curdoc(alive), bokeh.io.doc.patch_curdoc(closed):
        forget_the_dead()
        assert curdoc() is alive
    before = curdoc()
    forget_the_dead()
    assert curdoc() is before
