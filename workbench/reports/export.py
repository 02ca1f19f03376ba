"""An executed notebook as HTML that needs nothing else, and as PDF."""

from __future__ import annotations

import os
import shutil
from html import escape
from pathlib import Path
from typing import Any

from workbench.model.errors import InputError

TEMPLATES = Path(__file__).parent
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: Room on paper beside the text [mm]: top, right, bottom, left.
_MARGINS = (18, 14, 17, 14)
_PAPER_WIDTH = 210  # A4 [mm]
#: Plots are canvases: on paper they are drawn so many times finer than on a screen of 96 dpi.
_SHARPNESS = 3


def to_html(notebook: Any, *, title: str, footer: str) -> str:
    """The outputs and the text of ``notebook`` as one HTML page.

    Fonts, styles and scripts are inside; the code of the cells is folded away.
    """
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    import workbench
    from workbench.display import theme

    config = Config()
    config.HTMLExporter.exclude_anchor_links = True
    exporter = HTMLExporter(config=config, extra_template_basedirs=[str(TEMPLATES)], template_name="template")  # type: ignore[no-untyped-call]
    css = theme.report_css() + (TEMPLATES / "template" / "report.css").read_text(encoding="utf-8")
    about = {"title": title, "footer": footer, "css": css, "version": workbench.__version__}
    body, _ = exporter.from_notebook_node(notebook, resources={"workbench": about})
    return str(body)


def find_browser() -> str | None:
    """Path of Chromium or Chrome: ``WORKBENCH_CHROMIUM``, or what is found on the path; None where there is none.

    Raises
    ------
    InputError
        ``WORKBENCH_CHROMIUM`` names no program.
    """
    named = os.environ.get("WORKBENCH_CHROMIUM")
    if named:
        found = shutil.which(named)
        if found is None:
            raise InputError(
                "there is no such browser", where="WORKBENCH_CHROMIUM", found=named, expected="the path of Chromium"
            )
        return found
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def to_pdf(html: Path, pdf: Path, *, browser: str, header: str, footer: str, timeout: float = 120.0) -> None:
    """Print a report's page to A4.

    The page is laid out at the width it has on paper, so that plots fit; printing begins when every plot is drawn.

    Parameters
    ----------
    header, footer
        Text at the left of the head and foot of each page; page numbers stand at the right of the foot.
    timeout
        [s]

    Raises
    ------
    RuntimeError
        The browser could not be started, or the plots did not finish in time.
    """
    from concurrent.futures import ThreadPoolExecutor

    # Playwright refuses a thread in which a loop runs, and in a notebook one does.
    with ThreadPoolExecutor(1) as helper:
        helper.submit(_print, html, pdf, browser, header, footer, timeout).result()


def _print(html: Path, pdf: Path, browser: str, header: str, footer: str, timeout: float) -> None:
    from playwright.sync_api import Error, sync_playwright

    top, right, bottom, left = _MARGINS
    width = round((_PAPER_WIDTH - left - right) / 25.4 * 96)
    try:
        with sync_playwright() as play:
            chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
            try:
                page = chromium.new_page(viewport={"width": width, "height": 1050}, device_scale_factor=_SHARPNESS)
                page.set_default_timeout(timeout * 1000)
                page.emulate_media(media="print")
                page.goto(html.resolve().as_uri(), wait_until="load")
                page.wait_for_function(_DRAWN)
                page.pdf(
                    path=str(pdf),
                    format="A4",
                    print_background=True,
                    display_header_footer=True,
                    header_template=_edge(escape(header), ""),
                    footer_template=_edge(escape(footer), _NUMBERS),
                    margin={"top": f"{top}mm", "right": f"{right}mm", "bottom": f"{bottom}mm", "left": f"{left}mm"},
                    tagged=True,
                    outline=True,
                )
            finally:
                chromium.close()
    except Error as error:
        raise RuntimeError(str(error).strip().splitlines()[0]) from error


#: All plots of the page are there and have nothing more to draw; a page without plots is done.
_DRAWN = """() => {
  const wanted = document.querySelectorAll('.wb-plots figure > div[data-root-id]').length;
  if (wanted === 0) return document.fonts.status === 'loaded';
  if (!window.Bokeh || document.fonts.status !== 'loaded') return false;
  const views = Object.values(Bokeh.index.roots ? Object.fromEntries(Bokeh.index.roots.map((v, i) => [i, v])) : Bokeh.index);
  return views.length >= wanted && Bokeh.documents.every((one) => one.is_idle);
}"""
_NUMBERS = '<span class="pageNumber"></span> / <span class="totalPages"></span>'


def _edge(left: str, right: str) -> str:
    """Head or foot of the pages; it inherits no style, so that it brings its own."""
    style = (
        "font-family:'Helvetica Neue',Arial,'Liberation Sans',sans-serif;font-size:7.5pt;color:#5f6973;width:100%;"
        f"margin:0 {_MARGINS[1]}mm;display:flex;justify-content:space-between;"
    )
    return f'<div style="{style}"><span>{left}</span><span>{right}</span></div>'
