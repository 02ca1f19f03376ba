"""How far the work is: told by functions, heard by those who show it, at no cost where nobody does."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

import workbench
from workbench.display.progress import now_and_then, phrase
from workbench.steps import PROGRESS_FILE, progress, progress_part, progress_told, teller


def heard(work) -> list[tuple[int, int, str]]:
    told: list[tuple[int, int, str]] = []
    with progress_told(lambda *each: told.append(each)):
        work()
    return told


def test_what_is_told_is_heard_in_the_block_only():
    assert heard(lambda: progress(1, 2, "turbines")) == [(1, 2, "turbines")]
    progress(2, 2)  # nobody listens


def test_a_part_is_a_share_of_the_whole():
    def whole() -> None:
        for number in range(2):
            with progress_part(number, 2, "checks"):
                progress(1, 4, "turbines")

    assert heard(whole) == [(1, 8, "checks, turbines"), (1, 2, "checks"), (5, 8, "checks, turbines"), (2, 2, "checks")]


def test_a_part_that_fails_is_not_over_and_leaves_nothing_behind():
    def whole() -> None:
        with pytest.raises(ValueError, match="no"), progress_part(0, 2):
            raise ValueError("no")
        progress(2, 2)

    assert heard(whole) == [(2, 2, "")]


def test_an_argument_goes_before_the_channel():
    mine: list[tuple[int, int]] = []

    def whole() -> None:
        teller(lambda *each: mine.append(each))(1, 3)
        with progress_part(1, 3, told=lambda *each: mine.append(each)):
            progress(1, 2)

    assert heard(whole) == []
    assert mine == [(1, 3), (3, 6), (2, 3)]
    assert heard(lambda: teller(None, "draws")(1, 3)) == [(1, 3, "draws")]


def test_what_is_shown_is_not_shown_a_thousand_times():
    shown: list[str] = []
    listen = now_and_then(shown.append, 60.0)
    for one in range(1000):
        listen(one, 1000, "draws")
    assert shown == ["draws 0 %"]
    assert phrase(0, 0) == "100 %"


def test_another_process_reads_it_from_a_file(tmp_path):
    path = tmp_path / "said"
    code = "from workbench.steps import progress; progress(1, 3, 'turbines of A'); progress(3, 3, 'turbines of A')"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {PROGRESS_FILE: str(path)}, check=True)
    assert path.read_text() == "3 3 turbines of A\n"


def test_elsewhere_there_is_nothing_before_ten_seconds(capsys):
    with workbench.progress():
        progress(1, 2)
    assert capsys.readouterr() == ("", "")


def test_in_a_terminal_it_is_a_line_on_standard_error():
    code = (
        "import time, workbench\nfrom workbench.steps import progress\n"
        "with workbench.progress():\n for i in range(5):\n  time.sleep(0.12); progress(i, 5, 'draws')\n"
    )
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code],
        stderr=theirs,
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
    os.close(ours)
    assert b"draws 60 %" in shown
    assert done.stdout == b""


def test_in_a_notebook_it_is_gone_at_the_end():
    import nbformat
    from nbclient import NotebookClient

    source = "import workbench\nfrom workbench.steps import progress\nwith workbench.progress():\n    progress(1, 2)\n"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3").execute()
    assert [one["data"] for one in notebook.cells[0].outputs] == [{"text/plain": ""}]
