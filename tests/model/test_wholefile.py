from __future__ import annotations

from pathlib import Path

import pytest

from workbench.model.errors import InputError
from workbench.model.wholefile import check_goal, whole


def test_what_fails_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path):
    out = tmp_path / "a.txt"
    out.write_text("old")

    def fail(error: Exception) -> None:
        with whole(out) as part:
            part.write_text("new")
            raise error

    with pytest.raises(ValueError, match="half way"):
        fail(ValueError("half way"))
    assert out.read_text() == "old"
    with pytest.raises(InputError, match="cannot write the file"):
        fail(OSError(28, "No space left on device"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    with whole(out) as part:
        part.write_text("new")
    assert out.read_text() == "new"


def test_a_folder_takes_the_place_of_another(tmp_path: Path):
    out = tmp_path / "a.zarr"
    out.mkdir()
    (out / "old").touch()
    with whole(out) as part:
        part.mkdir()
        (part / "new").touch()
    assert [path.name for path in out.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize(
    ("name", "message"), [("a.txt", "ending in '.txt'"), ("b.csv", "there already"), ("c/d.csv", "no such folder")]
)
def test_what_could_not_be_written_is_told_beforehand(tmp_path: Path, name, message):
    (tmp_path / "b.csv").touch()
    with pytest.raises(InputError, match=message):
        check_goal(tmp_path / name, [".csv", ".nc"])
    check_goal(tmp_path / "B.CSV", [".csv"])
