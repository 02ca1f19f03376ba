"""Pages without anything live: signing in, signed out, refused."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any

from workbench.display import theme


def plain_page(
    title: str, text: str = "", *, link: tuple[str, str] | None = None, form: dict[str, str] | None = None
) -> str:
    """A page with a message, perhaps a link (address, words), or the form for signing in (``next``, ``name``, ``error``)."""
    return render("plain.html", heading=title, text=text, link=link, form=form)


def render(name: str, **variables: Any) -> str:
    """A template of the pages' folder, filled in; what is put in is escaped unless the template says otherwise."""
    html: str = _templates().get_template(name).render(**frame(), **variables)
    return html


def frame() -> dict[str, str]:
    """What every page's template needs."""
    return {
        "colours": theme.css_variables(),
        "version": version(),
        "sprite": (theme.STATIC / "marks.svg").read_text(encoding="utf-8"),
    }


@lru_cache(maxsize=1)
def version() -> str:
    """Changes with the style sheets and scripts, so that browsers do not keep old ones."""
    names = ("workbench.css", "workbench.js", "wallboard.css", "wallboard.js")
    content = b"".join((theme.STATIC / name).read_bytes() for name in names)
    return sha256(content).hexdigest()[:10]


@lru_cache(maxsize=1)
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader

    return Environment(loader=FileSystemLoader(theme.STATIC), autoescape=True)
