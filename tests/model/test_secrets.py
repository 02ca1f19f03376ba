"""What this process knows to be secret is not shown."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from workbench.model.errors import InputError, SourceError
from workbench.model.secrets import MASK, masked, remember


@pytest.mark.parametrize("secret", ["s3cr3t-0", "with space", 'quote"and\\slash', "ümlaut/7", "a+b&c=d"])
def test_a_secret_is_masked_in_every_spelling(secret: str) -> None:
    remember(secret)
    for spelling in (secret, repr(secret), json.dumps(secret), quote(secret), quote(secret, safe="")):
        assert masked(f"before {spelling} after").count(MASK) == 1
    assert secret not in str(InputError("m", found=secret, expected=secret, hint=secret, where=secret))
    assert secret not in str(SourceError(f"cannot connect to {secret}"))
    assert secret not in repr(InputError(secret))


def test_the_longest_goes_first() -> None:
    remember("abcd-9")
    remember("abcd-9-and-more")
    assert masked("x abcd-9-and-more y") == f"x {MASK} y"


def test_a_short_secret_is_masked_as_a_word() -> None:
    remember("x7")
    assert masked("password x7, user=x7; x7@h x78 ax7") == f"password {MASK}, user={MASK}; {MASK}@h x78 ax7"


def test_nothing_is_no_secret() -> None:
    remember("")
    remember("  ")
    assert masked("a b  c") == "a b  c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("opc.tcp://joe:pw@h:4840/x", f"opc.tcp://joe:{MASK}@h:4840/x"),
        ("no route to mqtts://:pw@h, and http://a:b@c/d", f"no route to mqtts://:{MASK}@h, and http://a:{MASK}@c/d"),
        ("http://a:p@w@c/d", f"http://a:{MASK}@c/d"),
        ("http://h:80/a@b", "http://h:80/a@b"),
        ("http://joe@h:80/", "http://joe@h:80/"),
        ("joe@example.org", "joe@example.org"),
    ],
)
def test_passwords_of_addresses(text: str, shown: str) -> None:
    assert masked(text) == shown
