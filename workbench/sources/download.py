"""Public data: a local copy where there is one, otherwise one download, checked and cached."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from workbench.model.errors import InputError

TIMEOUT = 30.0  #: seconds without an answer after which a download is given up


def cache_folder() -> Path:
    """Where downloads are kept: ``WORKBENCH_CACHE``, else the user's cache folder."""
    named = os.environ.get("WORKBENCH_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "operations-workbench"


def cached(url: str) -> Path:
    """Path at which the download of ``url`` is, or would be, kept."""
    return cache_folder() / (Path(urlsplit(url).path).name or "download")


def fetch(url: str, sha256: str, *, entry: str, local: Sequence[Path] = ()) -> Path:
    """Download ``url`` once and return the path of the cached file.

    Parameters
    ----------
    url
        http(s) address.
    sha256
        Checksum of the file, in hex; a file with another one is refused.
    entry
        The catalog entry, for messages.
    local
        Where a copy by hand was looked for, for messages.

    Raises
    ------
    InputError
        The file cannot be had, or is not the one expected. Names the address and how to provide the file.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")  # it would show the address with whatever secret is in it
    goal = cached(url)
    by_hand = " or ".join(str(path) for path in local) or str(goal)
    hint = f"download it by hand and put it at {by_hand}"
    try:
        found = pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}",
            fname=goal.name,
            path=goal.parent,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
        )
    except (requests.RequestException, OSError) as error:
        # "from None", here and below: their own text holds the address as it is
        raise InputError(
            f"cannot download {url}", where=entry, found=f"{type(error).__name__}: {_reason(error)}", hint=hint
        ) from None
    except ValueError:  # pooch's word for a wrong checksum
        raise InputError(
            f"the download of {url} is not the expected file",
            where=entry,
            found="another checksum",
            expected=f"sha256 {sha256}",
            hint=hint,
        ) from None
    return Path(found)


def _reason(error: BaseException) -> str:
    """The innermost reason, without the object addresses that urllib3 puts into its messages."""
    while (inner := getattr(error, "reason", None) or (error.args[0] if error.args else None)) is not None:
        if not isinstance(inner, BaseException) or inner is error:
            break
        error = inner
    text = str(error)
    return text.rsplit(">: ", 1)[-1] if ">: " in text else text
