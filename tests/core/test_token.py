"""The line to paste: it comes through as it was, or is refused with the reason."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.identity import NodeId
from p2pfw.core.token import HASH_BYTES, MAX_ADDRESSES, PREFIX, SECRET_BYTES, Token, key_hash, secret_hash
from p2pfw.errors import InputError

URL = "ws://203.0.113.7:7787"
TOKEN = Token(key_hash=bytes(range(16)), secret=bytes(range(16, 32)), network="example", addresses=(URL,))

addresses = st.lists(
    st.text(string.ascii_letters + string.digits + ":/.[]-", min_size=1, max_size=40),
    min_size=1,
    max_size=MAX_ADDRESSES,
)


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
    st.text(string.ascii_letters + string.digits + "-", max_size=60),
    addresses,
)
def test_a_line_comes_through_as_it_was(hashed: bytes, secret: bytes, network: str, urls: list[str]):
    """Every part of it; spaces around it are the terminal's."""
    token = Token(key_hash=hashed, secret=secret, network=network, addresses=tuple(urls))

    assert Token.parse(f"  {token}\n") == token


def test_a_line_looks_as_documented():
    """Four parts behind a fixed beginning that secret scanners know; nothing that a shell would touch."""
    text = str(TOKEN)

    assert text.startswith(f"{PREFIX}.AAECAwQFBgcICQoLDA0ODw.")
    assert set(text) <= set(string.ascii_letters + string.digits + "-_.")
    assert len(text.split(".")) == 4


def test_the_frozen_line():
    """Changing this breaks lines that were pasted into chats and scripts."""
    assert str(TOKEN) == (
        "p2pfw1.AAECAwQFBgcICQoLDA0ODw.EBESExQVFhcYGRobHB0eHw.ZXhhbXBsZUB3czovLzIwMy4wLjExMy43Ojc3ODc"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p2pfw1",
        "p2pfw2.AAECAwQFBgcICQoLDA0ODw.EBESExQVFhcYGRobHB0eHw.ZQ",
        str(TOKEN).replace(".", ","),
        str(TOKEN) + ".more",
        "x" * 3_000,
        str(TOKEN) + "A" * 3_000,
    ],
)
def test_what_is_no_line_is_said_to_be_none(text: str):
    """With what one looks like."""
    with pytest.raises(InputError, match="not a p2pfw token") as caught:
        Token.parse(text)

    assert caught.value.field == "token"


def parsed(text: str) -> Token | str:
    """The token, or the field that is at fault."""
    try:
        return Token.parse(text)
    except InputError as error:
        return error.field


@pytest.mark.parametrize("cut", [1, 5, 30, 60])
def test_a_line_that_was_cut_is_never_taken_for_whole(cut: int):
    """Copied without its end, or its middle."""
    text = str(TOKEN)

    assert parsed(text[:-cut]) != TOKEN
    assert parsed(text[: 20 - min(cut, 10)] + text[20:]) == "token"


@pytest.mark.parametrize("part", ["!!!!", "ÄÖÜ", "A", "AA==", "A A"])
def test_characters_that_are_none_of_ours_are_damage(part: str):
    """Base64url without padding, and nothing else."""
    hashed, secret = str(TOKEN).split(".")[1:3]
    with pytest.raises(InputError):
        Token.parse(f"{PREFIX}.{part}.{secret}.{part}")
    with pytest.raises(InputError):
        Token.parse(f"{PREFIX}.{hashed}.{secret}.{part}")


def test_a_place_that_is_no_text_is_damage():
    """What decodes to bytes of no alphabet."""
    hashed, secret = str(TOKEN).split(".")[1:3]
    with pytest.raises(InputError, match="damaged"):
        Token.parse(f"{PREFIX}.{hashed}.{secret}.____")


@pytest.mark.parametrize(
    "changes",
    [
        {"key_hash": bytes(15)},
        {"secret": bytes(17)},
        {"addresses": ()},
        {"addresses": (URL,) * (MAX_ADDRESSES + 1)},
    ],
)
def test_an_impossible_token_cannot_be_made(changes: dict):
    """Sizes and numbers are checked where it is made, too."""
    values = {"key_hash": bytes(16), "secret": bytes(16), "network": "n", "addresses": (URL,)}
    with pytest.raises(InputError):
        Token(**values | changes)


def test_hashes_are_of_one_purpose():
    """A key's hash is not a secret's, and both have their documented lengths."""
    same = NodeId(bytes(32))

    assert len(key_hash(same)) == HASH_BYTES
    assert len(secret_hash(same)) == 32
    assert secret_hash(same)[:16] != key_hash(same)
    assert len(TOKEN.secret) == SECRET_BYTES
