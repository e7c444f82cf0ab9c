"""p2pfw.config.template: the file that `init` writes says everything and changes nothing."""

import re

import pytest

from p2pfw.config import Config, render_default
from p2pfw.config.show import reference
from tests.config.files import loaded


def test_untouched_template_is_the_default(tmp_path):
    """Everything in it is commented out."""
    config = loaded(tmp_path, render_default({}))
    empty = loaded(tmp_path, "")

    assert (config.node, config.api, config.enforcer, config.policy) == (
        empty.node,
        empty.api,
        empty.enforcer,
        empty.policy,
    )
    assert (config.listen, config.discovery, config.peers, config.feeds) == (
        Config().listen,
        Config().discovery,
        (),
        (),
    )


def test_what_was_asked_for_is_set(tmp_path):
    """And only that."""
    config = loaded(
        tmp_path,
        render_default(
            {
                "node.name": "web-1",
                "node.network": "acme",
                "node.state_dir": "/srv/p",
                "node.owner_key_file": "/srv/p/owner.key",
                "listen.peer": "0.0.0.0:7787",
                "listen.advertise": ["ws://web-1.example.net:7787"],
            }
        ),
    )
    given = {setting.key for setting in config.settings if setting.origin != "default"}

    assert str(config.node.key_file) == "/srv/p/node.key"
    assert config.listen.advertise == ("ws://web-1.example.net:7787",)
    assert given == {
        "node.name", "node.network", "node.state_dir", "node.owner_key_file", "listen.peer", "listen.advertise"
    }  # fmt: skip


def test_every_key_is_in_the_template_with_its_meaning():
    """The file is the reference that is at hand at three in the morning."""
    text = render_default({})

    for _, key in reference():
        assert re.search(rf"^#?{key.name} = ", text, re.MULTILINE), key.name
        assert key.about.split()[0] in text


def test_every_commented_key_can_be_uncommented(tmp_path):
    """A default that is written is valid where it stands; what depends on the machine is left empty."""
    text = render_default({})
    for line in re.findall(r"^#([a-z_]+ = (?!\"\"|\[\]|\{\}).*)$", text.partition("#[[peer]]")[0], re.MULTILINE):
        loaded(tmp_path, text.replace(f"#{line}", line, 1))


def test_peer_and_feed_stand_there_as_examples(tmp_path):
    """Uncommented with a real id they load."""
    text = render_default({})

    assert "#[[peer]]" in text
    assert "#[feed.drop]" in text


def test_key_that_does_not_exist_is_a_mistake_of_ours():
    """Said at once, not written into a file that then does not load."""
    with pytest.raises(KeyError, match=r"node\.nam"):
        render_default({"node.nam": "x"})


def test_lines_are_short_enough_for_a_terminal():
    """A hundred columns."""
    assert max(map(len, render_default({}).splitlines())) <= 100
