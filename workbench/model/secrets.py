"""Secrets that this process knows, kept out of everything that is shown.

Whoever reads a secret tells it to :func:`remember`; whatever goes to a screen, a log or a file that others
read goes through :func:`masked`. Errors and the health of devices do so by themselves, so that a driver may
put the text of any exception into its message.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote, quote_plus

MASK = "********"
SHORT = 4  #: a secret of fewer characters is masked as a word of its own only: as letters it is everywhere

_spellings: set[str] = set()  # every known secret, in the forms in which libraries write texts
_userinfo = re.compile(r"(://[^\s/?#@:'\"]*:)[^\s/?#'\"]+(?=@)")


def remember(secret: str) -> None:
    """Have ``secret`` masked from now on, as it is and as it is written in Python, JSON and URLs."""
    if secret.strip():
        escaped = {repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret)}
        _spellings.update({secret, quote(secret), *escaped})


def masked(text: str) -> str:
    """``text`` without known secrets, and without the passwords of addresses (``opc.tcp://user:password@host``)."""
    # the longest first: a secret may be a part of another
    for spelling in sorted(_spellings, key=len, reverse=True):
        if spelling in text:
            text = _word(spelling).sub(MASK, text) if len(spelling) < SHORT else text.replace(spelling, MASK)
    return _userinfo.sub(rf"\g<1>{MASK}", text) if "@" in text else text


def _word(secret: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])")
