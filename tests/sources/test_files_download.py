"""Public files: a local copy first, else one checked download, else words that help."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.catalog.selection import selection
from workbench.model.errors import InputError
from workbench.sources.readers import DatasetReader, reader

CONTENT = b"t,p\n2024-01-01T00:00Z,7\n"
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server with one file; gives its address and the paths it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/x.csv" else 404)
            self.end_headers()
            if self.path == "/x.csv":
                self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}", asked
    web.shutdown()
    web.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def make(folder: Path, url: str, sha: str = SHA) -> DatasetReader:
    cls = reader("csv")
    keys = {"asset_type": "wind_turbine", "asset": "T1", "time": "t", "columns": {"p": "power_output"}}
    return cls("test.entry", cls.Config.model_validate(keys | {"path": "mine.csv", "url": url, "sha256": sha}), folder)


def test_downloaded_once(tmp_path: Path, cache: Path, server: tuple[str, list[str]]) -> None:
    address, asked = server
    found = make(tmp_path, f"{address}/x.csv")
    assert found.problems() == []
    assert found.contents().where == (f"{address}/x.csv",)
    for _ in range(2):
        assert found.read(selection())["power_output"].item() == 7
    assert asked == ["/x.csv"]
    assert found.contents().where == (str(cache / "x.csv"),)


def test_a_local_file_goes_first(tmp_path: Path, server: tuple[str, list[str]]) -> None:
    address, asked = server
    (tmp_path / "mine.csv").write_bytes(CONTENT.replace(b"7", b"8"))
    assert make(tmp_path, f"{address}/x.csv").read(selection())["power_output"].item() == 8
    assert asked == []


def test_another_file_than_expected(tmp_path: Path, cache: Path, server: tuple[str, list[str]]) -> None:
    address, _ = server
    with pytest.raises(InputError) as caught:
        make(tmp_path, f"{address}/x.csv", "0" * 64).read(selection())
    assert str(caught.value) == (
        f"test.entry: the download of {address}/x.csv is not the expected file\n"
        "  found:    another checksum\n"
        f"  expected: sha256 {'0' * 64}\n"
        f"  hint:     download it by hand and put it at {tmp_path}/mine.csv"
    )
    assert not list(cache.glob("*.csv"))


def test_a_damaged_cache_is_loaded_again(tmp_path: Path, cache: Path, server: tuple[str, list[str]]) -> None:
    address, asked = server
    cache.mkdir()
    (cache / "x.csv").write_bytes(CONTENT[:10])
    assert make(tmp_path, f"{address}/x.csv").read(selection())["power_output"].item() == 7
    assert asked == ["/x.csv"]


def test_no_connection(tmp_path: Path, server: tuple[str, list[str]]) -> None:
    with pytest.raises(InputError) as caught:
        make(tmp_path, "http://127.0.0.1:9/x.csv").read(selection())
    text = str(caught.value)
    assert text.startswith("test.entry: cannot download http://127.0.0.1:9/x.csv\n  found:    ConnectionError: ")
    assert text.endswith(f"hint:     download it by hand and put it at {tmp_path}/mine.csv")
    assert "object at 0x" not in text
    address, _ = server
    with pytest.raises(InputError, match="404"):
        make(tmp_path, f"{address}/y.csv").read(selection())
