"""The map from prefixes finds what a scan of a list finds."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2pfw.core.prefix import covers, overlaps, truncate, v4_key, v6_key
from p2pfw.core.prefixmap import PrefixMap
from tests.core.judging import key

few = st.one_of(
    st.builds(lambda bits, length: truncate(v4_key(bits << 24, 32), length), st.integers(0, 7), st.integers(0, 12)),
    st.builds(lambda bits, length: truncate(v6_key(bits << 120, 128), length), st.integers(0, 7), st.integers(0, 12)),
    st.builds(lambda length: truncate(v4_key(0x01020304, 32), length), st.integers(20, 32)),
)


class Twin(RuleBasedStateMachine):
    """The map beside a plain list of pairs."""

    def __init__(self):
        super().__init__()
        self.map, self.list = PrefixMap(), []

    @rule(prefix=few, value=st.integers())
    def set(self, prefix, value):
        self.map.set(prefix, value)
        self.list = [pair for pair in self.list if pair[0] != prefix] + [(prefix, value)]

    @rule(prefix=few)
    def delete(self, prefix):
        was = self.map.delete(prefix)
        assert was == next((value for key, value in self.list if key == prefix), None)
        self.list = [pair for pair in self.list if pair[0] != prefix]

    @rule(prefix=few)
    def look(self, prefix):
        covering = sorted((pair for pair in self.list if covers(pair[0], prefix)), key=lambda pair: -(pair[0] & 0xFF))
        assert list(self.map.covering(prefix)) == covering
        assert self.map.longest(prefix) == (covering[0] if covering else None)
        assert self.map.get(prefix) == next((value for key, value in self.list if key == prefix), None)
        assert sorted(self.map.overlapping(prefix)) == sorted(pair for pair in self.list if overlaps(pair[0], prefix))
        assert (prefix in self.map) == any(prefix == key for key, _ in self.list)

    @invariant()
    def holds_the_same(self):
        assert sorted(self.map.items()) == sorted(self.list)
        assert sorted(self.map) == sorted(key for key, _ in self.list)
        assert len(self.map) == len(self.list)


test_the_map_answers_like_a_list_scan = Twin.TestCase


@given(st.lists(few), few)
def test_every_key_is_found_by_its_own_name(prefixes, other):
    """Longest match of a stored prefix is that prefix."""
    made = PrefixMap()
    for prefix in prefixes:
        made.set(prefix, str(prefix))

    assert all(made.longest(prefix) == (prefix, str(prefix)) == (prefix, made[prefix]) for prefix in prefixes)
    assert other in prefixes or made.get(other) is None


def test_families_never_meet():
    """0.0.0.0/0 covers no IPv6 address, and the other way round."""
    made = PrefixMap()
    made.set(key("0.0.0.0/0"), "four")

    assert made.longest(key("::1")) is None
    assert made.longest(key("192.0.2.1")) == (key("0.0.0.0/0"), "four")
