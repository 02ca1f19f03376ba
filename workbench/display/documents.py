"""Mends what Panel and Bokeh leave undone of a viewer's document: it is let go after an error, its styles come from here."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any

#: Several threads put documents on the stack: those that have worked something out for a page, too.
_STACK = threading.Lock()


def let_documents_go() -> None:
    """Make Bokeh forget which document was being worked on also when the work raises.

    Bokeh (3.x) puts a document on a stack for the time of a callback and takes it off afterwards, but not after
    an exception: a message for a page that has just been closed would leave that dead document as the current
    one for everything that asks for it later, in every thread of the process.
    """
    import bokeh.io.doc as documents

    if documents.patch_curdoc is not _patched:
        documents.patch_curdoc = _patched


@contextlib.contextmanager
def _patched(document: Any) -> Iterator[None]:
    from bokeh.io.doc import _PATCHED_CURDOCS

    entry = weakref.ref(document)
    with _STACK:
        _PATCHED_CURDOCS.append(entry)
    try:
        yield
    finally:
        # By identity: another thread may have put one on top since.
        with _STACK:
            for at in range(len(_PATCHED_CURDOCS) - 1, -1, -1):
                if _PATCHED_CURDOCS[at] is entry:
                    del _PATCHED_CURDOCS[at]
                    break


@contextlib.contextmanager
def styles_from_here(document: Any) -> Iterator[None]:
    """Have the style sheets of what is put into ``document`` come from this server.

    Panel (1.9) says so only when the page of a session is asked for. Where a browser is so slow, or slept so long,
    that the session has ended by the time it connects, the server makes it another without a page: its style sheets
    would be asked of Panel's own site.
    """
    if document is None or document.session_context is None:
        yield  # run outside of a server
        return
    from panel.io.resources import LOCAL_DIST, patch_model_css
    from panel.io.state import state

    here = f"{state.rel_path}/{LOCAL_DIST}" if state.rel_path else LOCAL_DIST
    document._template_variables["dist_url"] = here
    yield
    # those made before they belonged to the document
    for root in document.roots:
        patch_model_css(root, dist_url=here)


def forget_the_dead() -> None:
    """Have no closed document for the current one.

    Panel sets the current document of the whole process for the time of a callback and then the one before it again,
    which another callback may have been working on, and which may have been closed since. Called when a server ends:
    whoever plots afterwards in the same process gets a document that lives.
    """
    from bokeh.document import Document
    from bokeh.io.doc import _PATCHED_CURDOCS
    from bokeh.io.state import curstate

    with _STACK:
        _PATCHED_CURDOCS[:] = [entry for entry in _PATCHED_CURDOCS if not _dead(entry())]
    if _dead(curstate().document):
        curstate().document = Document()


def _dead(document: Any) -> bool:
    # a closed document has given its parts away
    return document is None or not hasattr(document, "_theme")
