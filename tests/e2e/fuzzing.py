"""Texts that the API document can name but not describe, for schemathesis: it loads this module into its own process.

The document says `"format": "prefix"`; here is how such texts are made. Each connection comes from another address of
127.0.0.0/8: wrong tokens are counted by address, and a check that sends one to each operation would be told to wait.
"""

import ipaddress
import itertools
import time

import schemathesis
import urllib3.connection
from hypothesis import strategies as st

from p2pfw.core.charter import Charter, Member, SignedCharter, members_of
from p2pfw.core.identity import OwnerId, SigningKey
from p2pfw.core.presets import PRESETS
from p2pfw.core.succession import succeed
from p2pfw.core.token import HASH_BYTES, SECRET_BYTES, Token

PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
BOUNDS = st.sampled_from([1, 31, 32, 63, 64, 127, 128, 255, 256, 2_047, 2_048])
"""Lengths that limits make interesting; to be hit by waiting would take long."""
OWNER, HEIR = SigningKey(bytes(32)), SigningKey(bytes(31) + b"\1")
NOWHERE = "ws://127.0.0.1:9"
"""Refused at once."""


def network(number: int, length: int, bits: int) -> str:
    """Without host bits."""
    kind = ipaddress.IPv4Network if bits == 32 else ipaddress.IPv6Network
    return str(kind((number >> (bits - length) << (bits - length), length)))


def networks(bits: int) -> st.SearchStrategy[str]:
    """Of all lengths."""
    return st.builds(network, st.integers(0, 2**bits - 1), st.integers(0, bits), st.just(bits))


def charter(now: int) -> str:
    """Of one member, signed."""
    members = members_of([Member(owner=OwnerId(OWNER.public_key), name="a", trust=100)])
    made = Charter(
        members=members, seeds=(), network="demo", changes_need=1, created=now - 60, valid_until=now + 86_400
    )
    return SignedCharter(charter=made, signatures={}).signed_by(OWNER).encode().hex()


def invitation(secret: bytes) -> str:
    """Of somebody who is not there."""
    token = Token(key_hash=bytes(HASH_BYTES), secret=secret, network="demo", addresses=(NOWHERE,))
    return str(token)


NOW = int(time.time())
PREFIXES = st.one_of(st.ip_addresses().map(str), networks(32), networks(128))
DURATIONS = st.builds("{}{}".format, st.integers(1, 3_650), st.sampled_from("smhd"))
FORMATS = {
    "prefix": PREFIXES,
    "line": st.text(PRINTABLE, max_size=256) | st.builds("".ljust, BOUNDS, PRINTABLE),
    "duration-text": DURATIONS,
    "ttl": DURATIONS | st.just("forever"),
    "trust": st.sampled_from(sorted(PRESETS)) | st.floats(0, 1).map(str),
    "list": st.lists(PREFIXES, min_size=1, max_size=20).map("\n".join),
    "charter": st.just(charter(NOW)),
    "succession": st.just(succeed(OWNER, HEIR, created=NOW).encode().hex()),
    "invitation": st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES).map(invitation),
}
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)

AS_FORMAT = {
    "json": '["203.0.113.9"]',
    "ndjson": '{"prefix": "203.0.113.0/24"}\n{"prefix": "2001:db8::1"}',
    "ipset": "add x 203.0.113.9\nadd y 2001:db8::/48",
    "spamhaus": '{"cidr": "203.0.113.0/24", "sblid": "SBL1"}\n{"type": "metadata", "timestamp": 1, "records": 1}',
    "dshield": "203.0.113.0\t203.0.113.255\t24",
    "abuseipdb": '{"meta": {}, "data": [{"ipAddress": "203.0.113.9", "abuseConfidenceScore": 100}]}',
    "crowdsec": '{"new": [{"scope": "Ip", "type": "ban", "value": "203.0.113.9"}], "deleted": null}',
}
"""By what the query says; the document describes lists as the default, `plain`, has them."""


@schemathesis.hook
def before_call(context, case, kwargs):
    """A list is written in the format that the query names: two places that the document cannot tie together."""
    wanted = (case.query or {}).get("format")
    if case.operation.label == "POST /v1/import" and isinstance(wanted, str) and is_list(case.body):
        case.body = AS_FORMAT.get(wanted, case.body)


def is_list(body) -> bool:
    """In the format `plain`."""
    try:
        return isinstance(body, str) and all(map(ipaddress.ip_network, body.split("\n")))
    except ValueError:
        return False


SOURCES = itertools.cycle(ipaddress.IPv4Network("127.64.0.0/12").hosts())
connect = urllib3.connection.HTTPConnection._new_conn


def from_elsewhere(self):
    """Another address each time."""
    self.source_address = (str(next(SOURCES)), 0)
    return connect(self)


urllib3.connection.HTTPConnection._new_conn = from_elsewhere
