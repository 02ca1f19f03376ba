from __future__ import annotations

import pytest
from pydantic import ValidationError

from workbench.display import access
from workbench.display.access import Oidc, Role, check_password, hash_password, load_access, loopback, role_of
from workbench.model.errors import BadValue, InputError


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password("correct horse")


@pytest.fixture
def write(tmp_path):
    def put(text):
        (tmp_path / "access.yaml").write_text(text)
        return tmp_path

    return put


def test_a_password_is_known_by_its_hash_alone(hashed):
    assert check_password("correct horse", hashed)
    assert not check_password("correct horse ", hashed)
    assert "correct" not in hashed
    assert "$" not in hashed  # a catalog file would take it for a reference
    assert hash_password("correct horse") != hashed  # each has a salt of its own


def test_without_a_file_there_is_no_sign_in(tmp_path):
    assert load_access(tmp_path) is None


def test_users_and_their_roles(write, hashed):
    found = load_access(
        write(
            f"hours: 8\nusers:\n  ana: {{password: '{hashed}', role: operator}}\n  wall: {{password: '{hashed}', hours: 8760}}\n"
        )
    )
    assert (found.users["ana"].role, found.users["wall"].role) == (Role.OPERATOR, Role.VIEWER)
    assert (found.hours_of("ana"), found.hours_of("wall")) == (8, 8760)
    assert hashed not in repr(found)


def test_secrets_come_from_the_environment_and_are_not_shown(write, monkeypatch):
    monkeypatch.setenv("WORKBENCH_SECRET_OIDC", "a-very-secret-thing")
    found = load_access(
        write("oidc: {issuer: 'https://login.example.org', client: workbench, secret: '${secret:oidc}'}\n")
    )
    assert found.oidc.secret.get_secret_value() == "a-very-secret-thing"
    assert "very-secret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("users:\n  ana:\n    pasword: x\n", 3, "did you mean 'password'?"),
        ("users:\n  ana: {password: HASH, role: operater}\n", 2, "did you mean 'operator'?"),
        ("users:\n  ana: {password: hunter22}\n", 2, "workbench dashboards password"),
        ("users:\n  ana: {password: '${secret:ANNA}'}\n", 2, "the secret ANNA is not known"),
        ("users: {}\n", 1, "one way to sign in"),
        ("oidc: {issuer: 'http://login.example.org', client: w}\n", 1, "https"),
        ("hours: 0\nusers:\n  ana: {password: HASH}\n", 1, "greater than 0"),
        ("users:\n  ana: {password: HASH}\ncookie_secret: short\n", None, "too short"),
        ("users:\n  ana: {password: HASH}\naddress: pages\n", None, "https://host"),
        ("- a\n", None, "the key users, or oidc"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_no_secret(write, hashed, text, line, said):
    with pytest.raises(InputError) as raised:
        load_access(write(text.replace("HASH", f"'{hashed}'")))
    told = str(raised.value)
    assert f"access.yaml:{line}" in told if line else "access.yaml" in told
    assert said in told
    assert "hunter22" not in told
    assert hashed not in told


def test_roles_are_ordered():
    assert Role.VIEWER < Role.ANALYST < Role.OPERATOR < Role.ADMIN
    assert role_of("analyst") is Role.ANALYST
    with pytest.raises(BadValue, match="no role"):
        role_of("boss")


def test_the_provider_gives_a_role_by_name_by_group_or_not_at_all():
    oidc = Oidc(
        issuer="https://login.example.org", client="w", roles={"ana@x.org": "admin"}, groups={"ops": "operator", "lab": "analyst"}
    )  # fmt: skip
    assert oidc.role({"email": "ana@x.org"}) is Role.ADMIN
    assert oidc.role({"email": "bo@x.org", "groups": ["lab", "ops", "golf"]}) is Role.OPERATOR
    assert oidc.role({"email": "bo@x.org", "groups": "lab"}) is Role.ANALYST
    assert oidc.role({"email": "bo@x.org", "groups": ["golf"]}) is None
    assert oidc.role({"groups": ["ops"]}) is None  # nobody
    assert oidc.role({"email": "ana@x.org", "email_verified": False}) is None
    assert oidc.model_copy(update={"others": Role.VIEWER}).role({"email": "bo@x.org"}) is Role.VIEWER


@pytest.mark.parametrize(
    "hashed", ["", "scrypt:1:2:3", "scrypt:32768:8:3:AA:AA", "scrypt:99999999:8:1:AAAAAAAAAAAAAAAA:x", "$2b$12$x"]
)
def test_what_is_no_hash_is_refused(hashed):
    with pytest.raises(ValidationError, match="no hash"):
        access.User(password=hashed)


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.4", False), ("pages.example.org", False), ("", False)],
)  # fmt: skip
def test_loopback_is_this_machine_alone(host, here):
    assert loopback(host) is here
