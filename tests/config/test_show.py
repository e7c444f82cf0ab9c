"""p2pfw.config.show: what holds, where it comes from, and the schema of it."""

import tomllib
from enum import Enum
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.config import Endpoint, effective, json_schema
from p2pfw.config.show import default_text, reference, toml, toml_key
from p2pfw.core.records import Category
from tests.config.files import ID, loaded
from tests.config.test_loading import CONTRACT


def test_every_setting_says_where_it_comes_from(tmp_path):
    """File and line, environment, flag, or default."""
    config = loaded(
        tmp_path,
        f'[node]\nname = "a"\n[[peer]]\nid = "{ID}"\nname = "berlin"\n[feed.drop]\nurl = "https://e.org/"',
        flags={"enforcer.mode": "enforce"},
        P2PFW_LISTEN__PEER="0.0.0.0:1",
    )
    found = {key: (value, origin.removeprefix(f"{tmp_path}/")) for key, value, origin in effective(config)}

    assert found["node.name"] == ('"a"', "p2pfw.toml:2")
    assert found["node.key_file"] == ('"/var/lib/p2pfw/node.key"', "default")
    assert found["listen.peer"] == ('"0.0.0.0:1"', "environment P2PFW_LISTEN__PEER")
    assert found["enforcer.mode"] == ('"enforce"', "flag enforcer.mode")
    assert found["peer.berlin.id"] == (f'"{ID}"', "p2pfw.toml:4")
    assert found["peer.berlin.trust"] == ("0.3", "default")
    assert found["feed.drop.format"] == ('"plain"', "default")
    assert found["api.http"] == ('"127.0.0.1:7788"', "default")


def test_every_key_is_shown(tmp_path):
    """Whatever was given; so that nobody has to know what there is."""
    config = loaded(tmp_path, CONTRACT)
    shown = {key for key, _, _ in effective(config)}

    for section, key in reference():
        title = {"[peer]": "peer.berlin", "feed.NAME": "feed.drop"}.get(section, section)
        assert f"{title}.{key.name}" in shown


def test_secrets_are_not_shown(tmp_path):
    """`config show` ends up in tickets."""
    config = loaded(tmp_path, '[api.rfw]\npassword_hash = "$argon2id$v=19$secret"')

    assert ("api.rfw.password_hash", '"(set)"', f"{tmp_path}/p2pfw.toml:2") in effective(config)
    assert "argon2id$v" not in repr(config.settings)


def test_what_stands_behind_a_question_mark_is_not_shown(tmp_path):
    """Publishers take keys there."""
    config = loaded(tmp_path, '[feed.a]\nurl = "https://e.org/list?key=hush"')

    assert ("feed.a.url", '"https://e.org/list?(set)"', f"{tmp_path}/p2pfw.toml:2") in effective(config)
    assert "hush" not in repr(config.settings)


@pytest.mark.parametrize("rest", ["", "/", "/services/T0/B0/hush", "/hook?key=hush"])
def test_of_a_webhook_only_the_host_is_shown(tmp_path, rest):
    """Chats give out addresses whose path is the secret."""
    config = loaded(tmp_path, f'[webhook]\nurl = "https://e.org:8443{rest}"')

    assert ("webhook.url", '"https://e.org:8443/(set)"', f"{tmp_path}/p2pfw.toml:2") in effective(config)
    assert "hush" not in repr(config.settings)


class Word(Enum):
    ONE = "one"


@pytest.mark.parametrize(
    "value, text",
    [
        (True, "true"),
        (False, "false"),
        (1048576, "1048576"),
        (0.3, "0.3"),
        ("a", '"a"'),
        ('"\\\n\u2028', '"\\"\\\\\\U0000000A\\U00002028"'),
        (["a", 1], '["a", 1]'),
        ((), "[]"),
        ({}, "{}"),
        ({"a b": 1, "c": "d"}, '{ "a b" = 1, c = "d" }'),
        (Word.ONE, '"one"'),
        (Category.MAIL, '"mail"'),
        (Endpoint("::1", 5), '"[::1]:5"'),
        (Path("/x"), '"/x"'),
    ],
)
def test_values_are_shown_as_toml_writes_them(value, text):
    """What is shown can be pasted into a file."""
    assert toml(value) == text


scalars = (
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
)


@given(values)
def test_shown_values_read_back(value):
    """tomllib is the oracle."""
    assert tomllib.loads(f"value = {toml(value)}")["value"] == value


@given(st.text(st.characters(codec="utf-8")))
def test_shown_keys_read_back(name):
    """Quoted where TOML asks for it."""
    assert tomllib.loads(f"{toml_key(name)} = 1") == {name: 1}


def test_schema_takes_the_configuration_of_the_contract():
    """And is a schema."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(CONTRACT), schema)


@pytest.mark.parametrize(
    "text",
    [
        "[nodes]",
        "[node]\nnam = 1",
        "[node]\nname = 1",
        '[enforcer]\nmode = "on"',
        "[[peer]]\nname = 'x'",
        "[api.rfw]\nx = 1",
        "[listen]\nopen = 'yes'",
        "[feed.a]\nformat = 'html'",
    ],
)
def test_schema_refuses_what_loading_refuses(text):
    """As far as a schema can say it."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), json_schema())


def test_every_key_explains_itself():
    """A sentence for people, and a default that can be shown."""
    for section, key in reference():
        assert key.about.endswith("."), f"{section}.{key.name}"
        assert default_text(key)
