"""References, secrets, and what a catalog must not be able to do."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from workbench.catalog import Catalog, open_catalog
from workbench.catalog.substitute import MASK, Secret, reveal, secret_value, substitute
from workbench.model.errors import InputError, InputErrors
from workbench.model.yamlfile import parse_yaml
from workbench.sources.base import DeviceHealth, SourceError

from .conftest import CATALOG, LIVE

OPCUA = """\
site: hill
entries:
  live:
    driver: opcua
    asset_type: wind_turbine
    cadence: 1s
    tags: tags/o.yaml
    timeout: 0.5
    url: URL
    assets: {T1: WTG01}
"""

Write = Callable[..., Path]


def replaced(text: str) -> object:
    file = parse_yaml(f"a: {text!r}", "x.yaml")
    return substitute(file.data, file, ())["a"]


def test_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "example.org")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOT_SET", raising=False)
    assert replaced("http://${HOST}:80") == "http://example.org:80"
    assert replaced("${NOT_SET:-a:b-c}") == "a:b-c"
    assert replaced("${EMPTY:-x}${NOT_SET:-}") == "x"
    assert replaced("${HOST:-x}") == "example.org"
    assert replaced("5 $$ and $x") == "5 $ and $x"
    assert replaced("${HOST:-}/a") == "example.org/a"
    assert replaced("${NOT_SET:-}/a/b") == ""  # a path below a folder that is not named
    assert replaced("x${NOT_SET:-}/a") == "x/a"
    with pytest.raises(InputErrors, match="EMPTY is empty"):
        replaced("${EMPTY}")
    for wrong in ("${", "${}", "${a", "${a-b}", "${a:b}", "${secret:}", "${HOST${HOST}}"):
        with pytest.raises(InputErrors, match="not a reference"):
            replaced(wrong)


def test_references_are_not_replaced_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "${secret:B}")
    assert replaced("${A}") == "${secret:B}"


class Store(KeyringBackend):
    priority = 1  # type: ignore[assignment]

    def get_password(self, service: str, username: str) -> str | None:
        return {("operations-workbench", "broker"): "from-the-keyring"}.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


def test_secrets_from_environment_then_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(Store())
    try:
        assert secret_value("broker") == "from-the-keyring"
        monkeypatch.setenv("WORKBENCH_SECRET_BROKER", "from-the-environment")
        assert secret_value("broker") == "from-the-environment"
        with pytest.raises(InputError) as caught:
            secret_value("nobody")
    finally:
        keyring.set_keyring(before)
    assert str(caught.value) == (
        "the secret nobody is not known\n"
        "  expected: the environment variable WORKBENCH_SECRET_NOBODY, or the key store\n"
        "  hint:     keyring set operations-workbench nobody"
    )


def test_a_secret_never_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_SECRET_PW", "hunter2")
    value = replaced("user:${secret:PW}@host")
    assert isinstance(value, Secret)
    for shown in (
        str(value),
        repr(value),
        f"{value}",
        f"{value!r}",
        f"{value:>4}",
        "{}".format(value),  # noqa: UP032
        str([value]),
        str({"a": value}),
    ):
        assert "hunter2" not in shown
        assert MASK in shown
    assert reveal({"a": [value]}) == {"a": ["user:hunter2@host"]}


def test_secrets_are_masked_in_errors_and_descriptions(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_SECRET_PORT", "hunter2")
    catalog = open_catalog(write(text=LIVE.replace("host: 127.0.0.1:1502", "host: h\n    port: ${secret:PORT}")))
    text = "\n".join(map(str, catalog.check()))
    assert "hill.yaml:10: entries.live.port" in text
    assert "hunter2" not in text
    assert MASK in text

    catalog = open_catalog(write(text=LIVE.replace("127.0.0.1:1502", "${secret:PORT}.example.org")))
    entry = catalog["hill.live"]
    assert entry.source().config.host == "hunter2.example.org"  # type: ignore[attr-defined]
    shown = [str(entry.describe()), repr(entry), repr(catalog), repr(entry.spec), repr(entry.to_reader())]
    assert not any("hunter2" in text for text in shown)
    assert entry.describe()["where"] == [f"{MASK}.example.org"]


def shown_by(catalog: Catalog, name: str) -> str:
    """What listing, showing, checking and reading an entry put on a screen."""
    texts = [str(error) for error in catalog.check()]
    for ask in (lambda: catalog[name].describe(), lambda: catalog[name].read()):
        try:
            texts.append(str(ask()))
        except InputError as error:
            texts += [str(error), "".join(traceback.format_exception(error))]
    return "\n".join(texts)


def test_a_secret_inside_a_path_or_address_never_shows(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKBENCH_SECRET_PW", "hunter2")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    missing = write("path: data/scada.csv", "path: data/${secret:PW}/scada.csv")
    assert MASK in shown_by(open_catalog(missing), "hill.scada")
    url = "url: http://joe:${secret:PW}@127.0.0.1:9/${secret:PW}/x.csv\n    sha256: " + "a" * 64
    shown = shown_by(open_catalog(write("path: data/scada.csv", url)), "hill.scada")
    assert "cannot download" in shown
    said = capfd.readouterr()
    assert "hunter2" not in shown + said.out + said.err


@pytest.mark.parametrize("password", ["hunter2", "p%40ss word", 'a"b\\c'])
def test_a_dead_device_does_not_show_the_password(write: Write, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setenv("WORKBENCH_SECRET_PW", password)
    text = OPCUA.replace("URL", "opc.tcp://joe:${secret:PW}@127.0.0.1:9/")
    folder = write(text=text)
    (folder / "tags" / "o.yaml").write_text("protocol: opcua\ntags:\n  power_output: {node: P}\n")
    entry = open_catalog(folder)["hill.live"]
    assert password not in str(entry.describe())
    with pytest.raises(SourceError) as caught:
        entry.live(direct=True)
    assert password not in str(caught.value)
    health = DeviceHealth()
    health.failed(f"cannot connect to opc.tcp://joe:{password}@127.0.0.1:9/")
    health.failed(OSError(f"no route to {password!r}"))
    assert password not in health.last_error


def test_literal_passwords_never_show(write: Write) -> None:
    """Those that stand in the file itself: as they are, as what they should not be, and in an address."""
    folder = write(text=OPCUA.replace("URL", "opc.tcp://joe:hunter2@127.0.0.1:9/"))
    (folder / "tags" / "o.yaml").write_text("protocol: opcua\ntags:\n  power_output: {node: P}\n")
    entry = open_catalog(folder)["hill.live"]
    assert entry.describe()["where"] == [f"opc.tcp://joe:{MASK}@127.0.0.1:9/"]
    for wrong in (
        "password: [hunter3]",
        "password: 12345678",
        "security: {password: hunter3, mode: x}",
        "user: {token: hunter3}",
    ):
        write(text=OPCUA.replace("URL", "opc.tcp://127.0.0.1:9/") + f"    {wrong}\n")
        told = "\n".join(map(str, open_catalog(folder).check()))
        assert told
        assert "hunter3" not in told
        assert "12345678" not in told
    write(text=OPCUA.replace("URL", "opc.tcp://127.0.0.1:9/") + "    password: very-private\n")
    entry = open_catalog(folder)["hill.live"]
    assert entry.source() is not None
    assert "very-private" not in str(InputError("the library says very-private"))


def test_missing_secret_is_told_with_its_place(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_SECRET_PW", raising=False)
    errors = open_catalog(write(text=LIVE.replace("127.0.0.1:1502", "${secret:PW}"))).check()
    assert [error.message for error in errors] == ["the secret PW is not known"]
    assert (errors[0].line, errors[0].where) == (9, "entries.live.host")


@pytest.mark.parametrize(
    "evil",
    [
        "!!python/object/apply:os.system ['touch {mark}']",
        "!!python/name:os.system",
        "!!python/object/new:os.system ['touch {mark}']",
        "!!python/module:os",
        "!evil x",
    ],
)
def test_yaml_tags_cannot_run_code(write: Write, tmp_path: Path, evil: str) -> None:
    mark = tmp_path / "mark"
    folder = write("path: data/scada.csv", "path: " + evil.replace("{mark}", str(mark)))
    errors = open_catalog(folder).check()
    assert [error.message for error in errors] == ["only plain data is allowed"]
    assert errors[0].line == 9
    assert not mark.exists()


@pytest.mark.parametrize(
    "driver", ["os.system", "os:system", "workbench.sources.files:CsvReader", "{func(os:system)}", "builtins.eval"]
)
def test_a_driver_is_only_a_registered_name(write: Write, driver: str) -> None:
    errors = open_catalog(write("driver: csv", f"driver: '{driver}'")).check()
    assert [error.message for error in errors] == [f"unknown driver {driver!r}"]


@pytest.mark.parametrize(
    "evil", ["{func(os:getcwd)}", "{import(os:getcwd)}", "{pickle64(gASVDQ==)}", "{env(HOME)}", "{data(x)}"]
)
def test_templates_of_intake_are_plain_text(write: Write, evil: str) -> None:
    text = CATALOG.replace("description: Ten-minute means", f"description: '{evil}'").replace(
        "data/scada.csv", f"'{evil}.csv'"
    )
    catalog = open_catalog(write(text=text))
    [missing] = catalog.check()
    assert str(missing.found).endswith(f"/{evil}.csv")
    reader = catalog.to_intake()["hill.scada"]
    assert reader.metadata["description"].strip() == evil
    with pytest.raises(InputError, match="no such file"):
        reader.read()
