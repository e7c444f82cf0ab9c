"""Lines of a stream, and what they ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.cli.orders import MAX_LINE, Lines, Order, Verb, plain, sshguard
from p2pfw.errors import InputError


def _fed(*pieces: bytes) -> list[tuple[int, str | None]]:
    lines = Lines()
    return [line for piece in (*pieces, b"") for line in lines.feed(piece)]


@given(st.lists(st.text(alphabet="ab1.é", max_size=5)), st.integers(1, 7))
def test_lines_do_not_depend_on_how_they_were_cut(texts, size):
    """Numbered from 1, the last one with or without its end."""
    data = "".join(f"{text}\n" for text in texts).encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert _fed(*pieces) == list(enumerate(texts, 1))
    if texts and texts[-1]:
        assert _fed(*pieces[:-1], pieces[-1].removesuffix(b"\n") or b"x") != []


def test_the_last_line_needs_no_end():
    """Half a line at the end of the input is a line."""
    assert _fed(b"a\nb") == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("size", [1_000, 10_000])
def test_a_line_that_is_too_long_is_none_and_keeps_its_number(size):
    """However it comes, also as the last one; memory stays small meanwhile."""
    data = b"a\n" + b"x" * (MAX_LINE * 3) + b"\nb\n" + b"y" * (MAX_LINE + 1)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert _fed(*pieces) == [(1, "a"), (2, None), (3, "b"), (4, None)]


def test_bytes_that_are_no_text_are_a_line_like_any_other():
    """Whoever writes to a log decides what is in it."""
    assert _fed(b"\xff\xfe\n") == [(1, "\N{REPLACEMENT CHARACTER}" * 2)]


@pytest.mark.parametrize(
    "text, prefix",
    [
        ("203.0.113.9", "203.0.113.9/32"),
        ("  203.0.113.9   Failed password for root", "203.0.113.9/32"),
        ("2001:DB8::9\r", "2001:db8::9/128"),
        ("203.0.113.0/24", "203.0.113.0/24"),
    ],
)
def test_a_plain_line_begins_with_an_address(text, prefix):
    """What stands behind it is not read."""
    assert plain(text, 7) == Order(Verb.BLOCK, prefix, 7)


@pytest.mark.parametrize("text", ["", "  ", "# a comment", "; another"])
def test_plain_lines_that_ask_for_nothing(text):
    """As in a list."""
    assert plain(text, 1) is None


@pytest.mark.parametrize("text", ["300.1.1.1", "host.example", "203.0.113.9/24", "203.0.113"])
def test_plain_lines_that_are_wrong(text):
    """Nothing is guessed."""
    with pytest.raises(InputError):
        plain(text, 1)


@pytest.mark.parametrize(
    "text, order",
    [
        ("block 203.0.113.9 4 32", Order(Verb.BLOCK, "203.0.113.9/32", 3)),
        ("block 203.0.113.9 4 24", Order(Verb.BLOCK, "203.0.113.0/24", 3)),
        ("block 2001:db8::9 6 64", Order(Verb.BLOCK, "2001:db8::/64", 3)),
        ("release 203.0.113.9 4 32", Order(Verb.RELEASE, "203.0.113.9/32", 3)),
        ("block 203.0.113.9", Order(Verb.BLOCK, "203.0.113.9/32", 3)),
        ("flush", Order(Verb.FLUSH, "", 3)),
        ("flushonexit", None),
        ("", None),
    ],
)
def test_what_sshguard_writes(text, order):
    """sshg-blocker leaves the host bits in where it blocks networks."""
    assert sshguard(text, 3) == order


@pytest.mark.parametrize(
    "text",
    [
        "blocks 203.0.113.9 4 32",
        "block",
        "block 203.0.113.9 4",
        "block 203.0.113.9 6 32",
        "block 203.0.113.9 4 33",
        "block 203.0.113.9 4 x",
        "block 203.0.113.9 4 99999999999999999999",
        "block nobody 4 32",
        "flush all",
    ],
)
def test_what_sshguard_never_writes(text):
    """Said, not guessed."""
    with pytest.raises(InputError):
        sshguard(text, 1)
