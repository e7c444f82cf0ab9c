"""A list that has everything: hosts and nets of both families, each category, ends and none."""

from dataclasses import dataclass

from p2pfw.core.prefix import Prefix

AT = 1_800_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """As the node has them."""

    key: int
    until: int = 0
    reason: str = "ok"
    category: int = 0


def rows(*texts: str) -> list[Row]:
    """In order of keys."""
    keys = sorted(Prefix.parse(text).key for text in texts)
    return [Row(key, until=AT + 3_600 * (n % 2), category=n % 7) for n, key in enumerate(keys)]


BOTH = rows(
    *("192.0.2.0/25", "198.51.100.7", "203.0.113.9", "203.0.113.128/26"),
    *("2001:db8::/48", "2001:db8:1::1", "2001:db8:2:0:1::/80", "2001:db8:3:1:0:1:2:3", "2600::/12"),
)
