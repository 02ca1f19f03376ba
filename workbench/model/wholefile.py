"""Files that are there whole, or not at all."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

from workbench.model.errors import InputError


def check_goal(out: Path, endings: Collection[str], *, overwrite: bool = False) -> None:
    """Raise InputError where a file ``out`` could not be written: its ending, what is there, its folder."""
    if out.suffix.lower() not in endings:
        raise InputError(
            f"cannot write files ending in {out.suffix!r}",
            where="--out",
            found=out,
            expected="one of " + ", ".join(endings),
        )
    if out.exists() and not overwrite:
        raise InputError("the file is there already", where="--out", found=out, hint="give --overwrite to replace it")
    if not out.parent.is_dir():
        raise InputError("no such folder", where="--out", found=out.parent)


@contextlib.contextmanager
def whole(out: Path) -> Iterator[Path]:
    """Where to write ``out`` (a file, or a folder); it takes its place when the block ends, and is gone where that fails.

    Raises
    ------
    InputError
        It cannot be written.
    """
    # beside the goal, so that the last step is a rename within one file system
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}{out.suffix}")
    try:
        yield part
        if out.is_dir():
            shutil.rmtree(out)
        part.replace(out)
    except OSError as error:
        raise InputError("cannot write the file", where="--out", found=f"{out}: {error.strerror or error}") from error
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
