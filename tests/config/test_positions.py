"""p2pfw.config.positions: the line of every value, for every shape that TOML has."""

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.config.positions import line_numbers

EVERYTHING = '''# a comment with = and [brackets] and "quotes"
top = 1
"quoted key" = "a # no comment"

[node]            # a comment behind a table
name = "web-1"
path.to."the file" = 'C:\\no escape'
  indented = 1979-05-27 07:32:00

[api]
text = """
three
lines with "quotes" and \\""" and [table]
"""
other = \'\'\'
raw ] text
\'\'\'
[api.rfw]
clients = [
  "10.0.0.0/8",   # one
  "192.0.2.0/24",

  # two
  [1, 2], { a = 1, b.c = [3,
     4] },
]
[[peer]]
id = "x"
trust_for = { mail = 0.1, "other one" = 0.2 }
[peer.more]
deep = true
[[peer]]
id = "y"
addresses = []
[peer.more]
deep = false
[[peer.more.tables]]
a = 1
[[peer.more.tables]]
a = 2
last = +inf'''


def every_path(value, path=()):
    """All keys and places of a parsed document: what the scanner must have found."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from every_path(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from every_path(inner, (*path, place))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_shape_of_toml_is_found_in_its_line(ending):
    """Tables, arrays of tables, dotted and quoted keys, inline tables, arrays over lines, strings of every kind."""
    found = line_numbers(EVERYTHING.replace("\n", ending))
    lines = EVERYTHING.split("\n")

    def of(text, nth=0):
        return [number for number, line in enumerate(lines, 1) if text in line][nth]

    assert found[("top",)] == of("top =")
    assert found[("quoted key",)] == of("quoted key")
    assert found[("node",)] == of("[node]")
    assert found["node", "path", "to", "the file"] == of("path.to")
    assert found["node", "indented"] == of("indented")
    assert found["api", "other"] == of("other = '''")
    assert found["api", "rfw", "clients"] == of("clients =")
    assert found["api", "rfw", "clients", 0] == of('"10.0.0.0/8"')
    assert found["api", "rfw", "clients", 1] == of('"192.0.2.0/24"')
    assert found["api", "rfw", "clients", 3, "b", "c", 1] == of("4] },")
    assert found[("peer",)] == found["peer", 0] == of("[[peer]]")
    assert found["peer", 0, "trust_for", "other one"] == of("other one")
    assert found["peer", 0, "more", "deep"] == of("deep = true")
    assert found["peer", 1] == of("[[peer]]", 1)
    assert found["peer", 1, "addresses"] == of("addresses")
    assert found["peer", 1, "more"] == of("[peer.more]", 1)
    assert found["peer", 1, "more", "tables", 1, "last"] == of("last =")


def test_scanner_and_parser_see_the_same_document():
    """No key too many, none missing: tomllib is the oracle."""
    assert set(line_numbers(EVERYTHING)) == set(every_path(tomllib.loads(EVERYTHING)))


keys = st.text("ab-_1", min_size=1, max_size=3) | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
dotted = st.lists(keys, min_size=1, max_size=3).map(" . ".join)
scalars = st.sampled_from(
    [
        "1",
        "-0.5e3",
        "true",
        '""',
        '"a]b}c#d"',
        "'x\"'",
        '"""\n"two""\n\\""""',
        "'''\nraw\n'''",
        "1979-05-27T07:32:00Z",
        "0xff",
    ]
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ", # c\n".join([*items, ""]) + "]")
        | st.dictionaries(keys, inner, max_size=3).map(
            lambda d: "{ " + ", ".join(f"{k} = {v}" for k, v in d.items()) + " }"
        )
    ),
    max_leaves=6,
)
lines = (
    st.tuples(dotted, values).map(lambda pair: f"{pair[0]} = {pair[1]} # comment = [")
    | dotted.map(lambda key: f"[ {key} ]")
    | dotted.map(lambda key: f"[[{key}]]#")
    | st.just("")
)


@given(st.lists(lines, max_size=8).map("\n".join))
def test_scanner_finds_exactly_the_keys_of_any_document(text):
    """Over documents made at random; those that tomllib refuses say nothing."""
    with suppress(tomllib.TOMLDecodeError):
        parsed = tomllib.loads(text)
        found = line_numbers(text)

        assert set(found) == set(every_path(parsed))
        assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@given(st.dictionaries(keys, values, min_size=1, max_size=5))
def test_line_of_a_key_is_the_line_where_it_is_written(pairs):
    """Each pair begins a line; what is in between does not confuse the count."""
    text = "\n\n# c\n".join(f"{key} = {value}" for key, value in pairs.items())
    with suppress(tomllib.TOMLDecodeError):
        tomllib.loads(text)
        rows = text.split("\n")

        found = {path: line for path, line in line_numbers(text).items() if len(path) == 1}
        for key, written in zip(found.values(), pairs, strict=True):
            assert rows[key - 1].startswith(written)


def test_long_documents_take_time_in_proportion():
    """Counting lines is incremental: twenty thousand keys are no square."""
    text = "[t]\n" + "\n".join(f"k{number} = {number}" for number in range(20_000))

    assert line_numbers(text)["t", "k19999"] == 20_001


def test_text_that_is_no_toml_is_a_value_error():
    """Asked after tomllib only; asked otherwise it does not go on for ever."""
    with pytest.raises(ValueError, match="not a TOML text"):
        line_numbers('key = "never closed')
