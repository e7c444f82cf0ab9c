"""p2pfw.config.reloading: what takes effect at once, and what waits for a restart."""

import pytest

from p2pfw.config import check_reloadable
from tests.config.files import ID, OTHER_ID, loaded

BASE = f"""
[node]
name = "a"
[policy]
allow = ["10.0.0.0/8"]
[[peer]]
id = "{ID}"
name = "berlin"
[feed.drop]
url = "https://example.org/"
"""


@pytest.mark.parametrize(
    "old, new, at_once, after_restart",
    [
        ("10.0.0.0/8", "10.0.0.0/9", ["policy.allow"], []),
        ('name = "berlin"', 'name = "berlin"\ntrust = "solo"', ["peer.berlin"], []),
        ('name = "berlin"', "", ["peer.1"], []),
        ("https://example.org/", "https://example.org/b", ["feed.drop"], []),
        ("[feed.drop]", "[feed.other]", ["feed.drop", "feed.other"], []),
        ("[policy]", "[policy]\ndefault_trust = 0.2", ["policy.default_trust", "peer.berlin"], []),
        ('name = "a"', 'name = "b"', [], ["node.name"]),
        ("[node]", '[enforcer]\nmode = "enforce"\n[node]', [], ["enforcer.mode"]),
        ("[node]", '[api]\nhttp = ""\nrfw.username = "x"\n[node]', [], ["api.http", "api.rfw.username"]),
        ("[node]", '[listen]\npeer = "0.0.0.0:1"\n[node]', [], ["listen.peer"]),
        ("[node]", "[discovery]\nmdns = true\n[node]", [], ["discovery.mdns"]),
        ("# nothing", "# still nothing", [], []),
    ],
)
def test_changes_are_named_by_when_they_take_effect(tmp_path, old, new, at_once, after_restart):
    """Whitelist, peers, trust, policy and feeds at once; what is bound at start is named, not silently ignored."""
    before = loaded(tmp_path, BASE)
    after = loaded(tmp_path, BASE.replace(old, new, 1))
    changes = check_reloadable(before, after)

    assert list(changes.at_once) == at_once
    assert list(changes.after_restart) == after_restart
    assert bool(changes) == bool(at_once or after_restart)


def test_peer_that_is_gone_and_one_that_is_new_are_two_changes(tmp_path):
    """By id, not by place."""
    before = loaded(tmp_path, BASE)
    after = loaded(tmp_path, BASE.replace(ID, OTHER_ID).replace('name = "berlin"', 'name = "paris"'))

    assert check_reloadable(before, after).at_once == ("peer.berlin", "peer.paris")


def test_order_of_peers_is_no_change(tmp_path):
    """Nothing follows from it."""
    one, other = f'[[peer]]\nid = "{ID}"\nname = "a"\n', f'[[peer]]\nid = "{OTHER_ID}"\nname = "b"\n'

    assert not check_reloadable(loaded(tmp_path, one + other), loaded(tmp_path, other + one))
