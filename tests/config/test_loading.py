"""p2pfw.config.loading: the contract's configuration in, frozen values out; or every mistake with its line."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2pfw.config import Adopt, Backend, Config, Endpoint, Format, Mode, Place, load
from p2pfw.config.checks import warnings
from p2pfw.core.prefix import Prefix
from p2pfw.core.records import Category
from p2pfw.errors import ConfigError
from tests.config.files import ID, OTHER_ID, loaded, place, problems

HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA"
RFW = f"[api.rfw]\nenabled = true\npassword_hash = '{HASH}'\n"

CONTRACT = f'''
[node]
name = "web-1"
network = "example"                # announcements and sessions never cross networks
state_dir = "/var/lib/p2pfw"       # key, database
key_file = "/var/lib/p2pfw/node.key"
owner_key_file = ""                # only where invites and renewals are made

[listen]
peer = "0.0.0.0:7787"              # "" = outbound only
advertise = ["ws://web-1.example.net:7787"]
open = false

[api]
socket = "/run/p2pfw/api.sock"
http = "127.0.0.1:7788"            # "" = off
tls_cert = ""
[api.rfw]
enabled = false
listen = "0.0.0.0:7393"
local_listen = "127.0.0.1:7390"
username = "rfw"
password_hash = ""
clients = ["198.51.100.7/32"]
default_expire = "24h"
non_restful = false
announce = true

[enforcer]
mode = "observe"                   # observe | enforce
backend = "ipset"                  # ipset | dryrun
set_prefix = "p2pfw"
hook = "raw/PREROUTING"
max_entries = 1048576
audit_interval = "60s"

[policy]
default_trust = "trio"
allow = ["10.0.0.0/8"]
allow_files = ["/etc/p2pfw/allow.d/*.txt"]
allow_private = false

[[peer]]
id = "{ID}"
name = "berlin"
trust = "pair"
trust_for = {{ mail = 0.1 }}
addresses = ["ws://berlin.example.net:7787"]

[discovery]
mdns = false
charter = ""

[feed.drop]
url = "https://www.example.org/drop_v4.json"
format = "spamhaus"
adopt = "direct"
'''


def text_of(*keys):
    """Prefix keys of texts."""
    return tuple(Prefix.parse(key).key for key in keys)


def test_configuration_of_the_contract_is_read_as_written(tmp_path):
    """Every key that users script against, with its meaning."""
    config = loaded(tmp_path, CONTRACT)

    assert config.node.name == "web-1"
    assert config.node.network == "example"
    assert config.node.state_dir == Path("/var/lib/p2pfw")
    assert config.node.key_file == Path("/var/lib/p2pfw/node.key")
    assert config.node.owner_key_file is None
    assert config.listen.peer == Endpoint("0.0.0.0", 7787)
    assert config.listen.advertise == ("ws://web-1.example.net:7787",)
    assert config.api.socket == Path("/run/p2pfw/api.sock")
    assert config.api.http == Endpoint("127.0.0.1", 7788)
    assert config.api.tls_cert is None
    assert config.api.rfw.clients == text_of("198.51.100.7/32")
    assert config.api.rfw.default_expire == 86_400
    assert config.enforcer.mode is Mode.OBSERVE
    assert config.enforcer.backend is Backend.IPSET
    assert config.enforcer.hook == ("raw/PREROUTING",)
    assert config.enforcer.audit_interval == 60
    assert config.policy.default_trust == 0.3
    assert config.policy.allow == text_of("10.0.0.0/8")
    (peer,) = config.peers
    assert (peer.id, peer.name, peer.trust) == (bytes(range(32)), "berlin", 0.4)
    assert dict(peer.trust_for) == {Category.MAIL: 0.1}
    (feed,) = config.feeds
    assert (feed.name, feed.format, feed.adopt, feed.trust) == ("drop", Format.SPAMHAUS, Adopt.DIRECT, 0.4)
    assert config.warnings == ()
    assert config.files == (tmp_path / "p2pfw.toml",)


def test_no_file_at_all_is_a_safe_node(tmp_path):
    """Observe mode, outbound only, no peers, no feeds; state in the state directory."""
    config = load(place=place(tmp_path, root=False))

    assert config.enforcer.mode is Mode.OBSERVE
    assert config.listen.peer is None
    assert (config.peers, config.feeds, config.files) == ((), (), ())
    assert config.node.name == "host.example"
    assert config.node.state_dir == tmp_path / "home/.local/state/p2pfw"
    assert config.node.key_file == tmp_path / "home/.local/state/p2pfw/node.key"


def test_values_of_the_model_are_those_of_an_empty_file(tmp_path):
    """The defaults are in one place: what the classes say is what loading gives to root."""
    config = loaded(tmp_path, "")
    plain = Config()

    assert config.listen == plain.listen
    assert config.api == plain.api
    assert config.enforcer == plain.enforcer
    assert config.discovery == plain.discovery
    assert config.policy.default_trust == plain.policy.default_trust


def test_key_file_follows_the_state_directory(tmp_path):
    """Unless it is named itself."""
    assert loaded(tmp_path, '[node]\nstate_dir = "/srv/p"').node.key_file == Path("/srv/p/node.key")
    both = '[node]\nstate_dir = "/srv/p"\nkey_file = "/k/n.key"'
    assert loaded(tmp_path, both).node.key_file == Path("/k/n.key")


def test_relative_paths_begin_where_the_file_lies(tmp_path):
    """Whatever the working directory of the process; ~ is the home of the user."""
    config = loaded(
        tmp_path, '[node]\nstate_dir = "state"\n[api]\nsocket = "~/api.sock"\n[policy]\nallow_files = ["a.txt"]'
    )

    assert config.node.state_dir == tmp_path / "state"
    assert config.node.key_file == tmp_path / "state" / "node.key"
    assert config.api.socket == tmp_path / "home" / "api.sock"
    assert config.policy.allow_files == (str(tmp_path / "a.txt"),)


@pytest.mark.parametrize(
    "variables, socket",
    [({"XDG_RUNTIME_DIR": "/run/user/7"}, "/run/user/7/p2pfw/api.sock"), ({}, "{home}/.local/state/p2pfw/api.sock")],
)
def test_a_user_has_the_directories_of_a_user(tmp_path, variables, socket):
    """XDG where it is set, the specification's defaults where not."""
    config = load(place=place(tmp_path, root=False, **variables))

    assert str(config.api.socket) == socket.format(home=tmp_path / "home")


# --- where settings come from ------------------------------------------------------------------------------------


def test_later_sources_win_key_by_key(tmp_path):
    """File, drop-ins in the order of their names, environment, flags."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10.toml").write_text(
        '[node]\nnetwork = "ten"\nname = "ten"\n[enforcer]\nset_prefix = "ten"'
    )
    (tmp_path / "conf.d" / "20.toml").write_text('[node]\nname = "twenty"\n')
    (tmp_path / "conf.d" / "ignored.txt").write_text("not toml [")
    (tmp_path / "conf.d" / ".hidden.toml").write_text("not toml [")
    text = '[node]\nnetwork = "main"\nname = "main"\n[enforcer]\nset_prefix = "main"\nmax_entries = 4096'
    config = loaded(
        tmp_path, text, flags={"enforcer.mode": "enforce", "node.name": None}, P2PFW_ENFORCER__SET_PREFIX="env"
    )

    assert (config.node.network, config.node.name) == ("ten", "twenty")
    assert (config.enforcer.set_prefix, config.enforcer.max_entries) == ("env", 4096)
    assert config.enforcer.mode is Mode.ENFORCE
    assert [path.name for path in config.files] == ["p2pfw.toml", "10.toml", "20.toml"]


def test_whitelists_of_all_sources_add_up(tmp_path):
    """A drop-in with one more range must not take the others away: that would lock somebody out."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text('[policy]\nallow = ["192.0.2.0/24"]\nallow_files = ["b.txt"]')
    text = '[policy]\nallow = ["10.0.0.0/8"]\nallow_files = ["a.txt"]'
    config = loaded(tmp_path, text, P2PFW_POLICY__ALLOW="198.51.100.1, 2001:db8::/32")

    assert config.policy.allow == text_of("10.0.0.0/8", "192.0.2.0/24", "198.51.100.1", "2001:db8::/32")
    assert config.policy.allow_files == (str(tmp_path / "a.txt"), str(tmp_path / "conf.d" / "b.txt"))


def test_peers_of_all_files_line_up_and_feeds_of_one_name_are_one(tmp_path):
    """A drop-in a peer is how tools add them."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text(f'[[peer]]\nid = "{OTHER_ID}"\n[feed.drop]\nadopt = "voice"')
    text = f'[[peer]]\nid = "{ID}"\n[feed.drop]\nurl = "https://example.org/x"'
    config = loaded(tmp_path, text)

    assert [peer.id for peer in config.peers] == [bytes(range(32)), bytes(32)]
    assert [(feed.url, feed.adopt) for feed in config.feeds] == [("https://example.org/x", Adopt.VOICE)]


@pytest.mark.parametrize(
    "variable, text, get, value",
    [
        ("P2PFW_LISTEN__OPEN", "true", lambda c: c.listen.open, True),
        (
            "P2PFW_LISTEN__ADVERTISE",
            '["ws://a:1", "wss://b/x"]',
            lambda c: c.listen.advertise,
            ("ws://a:1", "wss://b/x"),
        ),
        ("P2PFW_LISTEN__ADVERTISE", "", lambda c: c.listen.advertise, ()),
        ("P2PFW_ENFORCER__MAX_ENTRIES", "5000", lambda c: c.enforcer.max_entries, 5000),
        ("P2PFW_ENFORCER__AUDIT_INTERVAL", "5m", lambda c: c.enforcer.audit_interval, 300),
        ("P2PFW_POLICY__DEFAULT_TRUST", "0.25", lambda c: c.policy.default_trust, 0.25),
        ("P2PFW_POLICY__DEFAULT_TRUST", "solo", lambda c: c.policy.default_trust, 0.9),
        ("P2PFW_API__RFW__LOCAL_AUTH", "true", lambda c: c.api.rfw.local_auth, True),
        ("P2PFW_API__RFW__DEFAULT_EXPIRE", "forever", lambda c: c.api.rfw.default_expire, None),
        ("P2PFW_FEED__DROP__MAX_CHANGE", "0.5", lambda c: c.feeds[0].max_change, 0.5),
    ],
)
def test_environment_says_what_a_file_could(tmp_path, variable, text, get, value):
    """Text for texts, TOML for the rest, commas or TOML for lists; a feed of a file is found whatever its case."""
    file = '[listen]\npeer = "0.0.0.0:7787"\n[feed.Drop]\nurl = "https://example.org/x"'

    assert get(loaded(tmp_path, file, **{variable: text})) == value


def test_environment_of_other_things_is_left_alone(tmp_path):
    """P2PFW_CONFIG and what belongs to other programs."""
    loaded(tmp_path, "", P2PFW_SOCKET="/x", P2PFWX__Y="1", PATH="/bin", __P2PFW="")


@pytest.mark.parametrize(
    "variable, hint",
    [
        ("P2PFW_NODE__NAM", "did you mean name?"),
        ("P2PFW_NOD__NAME", "did you mean node?"),
        ("P2PFW_PEER__ID", "peers are written in a file"),
        ("P2PFW_ENFORCER__MODE", "one of observe, enforce"),
        ("P2PFW_LISTEN__OPEN", "true or false"),
    ],
)
def test_mistakes_in_the_environment_name_the_variable(tmp_path, variable, hint):
    """There is no line, so the variable itself is the place."""
    ((where, _, found),) = problems(tmp_path, "", **{variable: "maybe"})

    assert where == f"environment {variable}"
    assert hint in found


def test_file_is_searched_where_the_contract_says(tmp_path):
    """-c, else P2PFW_CONFIG, else the user's own; drop-ins beside it are read even when it is not there."""
    own = tmp_path / "home/.config/p2pfw"
    (own / "conf.d").mkdir(parents=True)
    (own / "conf.d" / "x.toml").write_text('[node]\nname = "drop-in"')
    user = place(tmp_path, root=False)
    assert load(place=user).node.name == "drop-in"
    (own / "conf.d" / "x.toml").unlink()
    (own / "p2pfw.toml").write_text('[node]\nname = "own"')
    assert load(place=user).node.name == "own"
    (tmp_path / "variable.toml").write_text('[node]\nname = "variable"')
    named = place(tmp_path, root=False, P2PFW_CONFIG="variable.toml")
    assert load(place=named).node.name == "variable"
    (tmp_path / "flag.toml").write_text('[node]\nname = "flag"')
    assert load(tmp_path / "flag.toml", place=named).node.name == "flag"


@pytest.mark.parametrize("named", ["flag", "variable"])
def test_named_file_that_is_missing_is_an_error(tmp_path, named):
    """A typing mistake in -c must not start a node with defaults."""
    path = tmp_path / "missing.toml"
    here = place(tmp_path, **({"P2PFW_CONFIG": str(path)} if named == "variable" else {}))
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read: No such file"):
        load(path if named == "flag" else None, place=here)


def test_default_file_that_cannot_be_looked_for_is_an_error(tmp_path, monkeypatch):
    """A directory without permission is not "no file": its settings would be silently ignored."""
    own = tmp_path / "home/.config/p2pfw"
    own.mkdir(parents=True)
    (own / "p2pfw.toml").write_text("")

    def refused(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refused)
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        load(place=place(tmp_path, root=False))


def test_here_is_this_process(tmp_path, monkeypatch):
    """The one look at the world."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P2PFW_NODE__NAME", "from-the-environment")
    found = Place.here()

    assert found.root == (os.geteuid() == 0)
    assert found.directory == tmp_path
    assert found.host_name == os.uname().nodename
    assert load(tmp_path / "x.toml" if (tmp_path / "x.toml").write_text("") else None, place=found).node.name == (
        "from-the-environment"
    )


def test_host_name_that_cannot_be_a_name_is_not_used(tmp_path):
    """Some machines are called (none)."""
    nameless = Place(root=True, home=tmp_path, directory=tmp_path, host_name="(none)")
    (tmp_path / "c.toml").write_text("")

    assert load(tmp_path / "c.toml", place=nameless).node.name == "node"


# --- mistakes ----------------------------------------------------------------------------------------------------


def test_all_mistakes_are_told_together_in_the_order_of_lines(tmp_path):
    """Nobody wants to mend one line, start again, and hear of the next."""
    found = problems(
        tmp_path,
        """
        [node]
        nam = "x"
        network = "Example"
        [policy]
        allow = ["10.0.0.0/8",
          "10.1.2.3/8",
          "nonsense",
        ]
        [enforcer]
        audit_interval = "60"
        [[peer]]
        trust = "duo"
        trust_for = { mial = 0.1, ssh = 2 }
        """,
    )

    assert [(where, hint) for where, _, hint in found] == [
        ("p2pfw.toml:2", "did you mean name?"),
        ("p2pfw.toml:3", "1 to 64 of a-z 0-9 . _ -, with a letter or digit first and last"),
        ("p2pfw.toml:6", "did you mean 10.0.0.0/8 or the host 10.1.2.3?"),
        ("p2pfw.toml:7", "write it like 203.0.113.9 or 2001:db8::1"),
        ("p2pfw.toml:10", "did you mean 60s?"),
        ("p2pfw.toml:11", 'id = "p2pfw1..."'),
        ("p2pfw.toml:12", "a number from 0 to 1, or one of solo, pair, trio, quad, watch"),
        ("p2pfw.toml:13", "one of ssh, web, mail, scan, ddos, voip, other"),
        ("p2pfw.toml:13", "a number from 0 to 1, or one of solo, pair, trio, quad, watch"),
    ]


@pytest.mark.parametrize(
    "text, line, problem, hint",
    [
        ("[nodes]", 1, "unknown section or key 'nodes'", "did you mean node?"),
        ('mode = "enforce"', 1, "unknown section or key 'mode'", "mode belongs into [enforcer]"),
        ('[node]\nmode = "enforce"', 2, "unknown key 'mode' in [node]", "mode belongs into [enforcer]"),
        ("[api]\nopen = true", 2, "unknown key 'open' in [api]", "open belongs into [listen]"),
        ("[api.rwf]\nenabled = true", 1, "unknown key 'rwf' in [api]", "did you mean rfw?"),
        ("[api]\nrfw.enable = true", 2, "unknown key 'enable' in [api.rfw]", "did you mean enabled?"),
        ("node = 1", 1, "node is a section", "write [node] on a line of its own"),
        ("[peer]\nid = 1", 1, "peer is a list of tables", "write [[peer]] with two brackets"),
        ("peer = [1]", 1, "peer is a section", "write [peer]"),
        ("[feed]\nurl = 1", 2, "feed.url is a section", "write [feed.url]"),
        ("feed = 1", 1, "a feed needs a name", "write [feed.NAME]"),
        ('["feed"."a b"]\nurl = "https://e.org/"', 1, "'a b' cannot name a feed", "1 to 32 letters"),
        ("[node]\nname = 5", 2, "node.name: 5 is no text", 'write it in quotes: "5"'),
        ("[node]\nname = true", 2, "node.name: true is no text", 'write it in quotes: "true"'),
        ('[node]\nname = "a b"', 2, "node.name: 'a b' cannot be used", "1 to 63 letters"),
        ('[node]\nname = "a\\u0007"', 2, "characters that cannot be printed", ""),
        ('[node]\nstate_dir = ""', 2, "a path is needed", ""),
        ('[listen]\nopen = "yes"', 2, "'yes' is neither true nor false", "without quotes"),
        ("[listen]\nopen = 1", 2, "1 is neither true nor false", "without quotes"),
        ('[listen]\npeer = "0.0.0.0"', 2, "'0.0.0.0' is no address to listen on", "like 0.0.0.0:7787"),
        ('[listen]\npeer = "::1:7787"', 2, "is no address to listen on", "[::]:7787"),
        ('[listen]\npeer = "0.0.0.0:65536"', 2, "is no address to listen on", "like 0.0.0.0:7787"),
        ('[listen]\npeer = "web.example.net:7787"', 2, "is no address to listen on", "an IP address of this machine"),
        ('[listen]\npeer = ":7787"', 2, "is no address to listen on", "an IP address of this machine"),
        ('[listen]\nadvertise = ["host:7787"]', 2, "is no ws:// address", "like ws://host.example.net:7787"),
        ('[listen]\nadvertise = ["http://host"]', 2, "is no ws:// address", "like ws://"),
        ('[listen]\nadvertise = ["ws://u:p@host"]', 2, "is no ws:// address", "like ws://"),
        ('[listen]\nadvertise = ["ws://host:99999"]', 2, "is no ws:// address", "like ws://"),
        ('[listen]\nadvertise = ["ws://[::zz]"]', 2, "is no ws:// address", "like ws://"),
        ('[listen]\nadvertise = ["ws://[1:2]"]', 2, "neither an IPv4 nor an IPv6 address", ""),
        ("[listen]\nadvertise = [7]", 2, "7 is no text", "quotes"),
        ("[listen]\nadvertise = { a = 1 }", 2, "listen.advertise is a list in brackets", ""),
        (f'[api]\nsocket = "/{"x" * 120}"', 2, "at most 107 bytes", "shorter"),
        ('[api]\nhosts = ["a.example:80"]', 2, "cannot be used", "without port"),
        ('[api]\ntls_cert = "/c"', 2, "api.tls_cert needs api.tls_key", "both, or neither"),
        ('[api]\ntls_key = "/k"', 2, "api.tls_key needs api.tls_cert", "both, or neither"),
        ('[enforcer]\nmode = "on"', 2, "'on' is unknown", "one of observe, enforce"),
        ('[enforcer]\nset_prefix = "P"', 2, "cannot be used", "1 to 20 of a-z"),
        ('[enforcer]\nhook = ["raw/PREROUTING", "nat/INPUT"]', 2, "is no hook", "filter/DOCKER-USER"),
        ('[enforcer]\nmax_entries = "5"', 2, "is no whole number", "without quotes"),
        ("[enforcer]\nmax_entries = 5", 2, "5 is not within 1024..16777216", ""),
        ("[enforcer]\nmax_entries = true", 2, "is no whole number", ""),
        ("[enforcer]\naudit_interval = 60", 2, "60 has no unit", 'write "60s"'),
        ('[enforcer]\naudit_interval = "1s"', 2, "is not within 5..86400 seconds", ""),
        ('[enforcer]\naudit_interval = "forever"', 2, "is not a duration", "90s, 15m"),
        ("[policy]\ndefault_trust = 1.5", 2, "is no trust", "0 to 1"),
        ("[policy]\ndefault_trust = true", 2, "is no trust", "0 to 1"),
        ("[policy]\ndefault_trust = nan", 2, "is no trust", "0 to 1"),
        ("[policy]\ndefault_trust = []", 2, "is no trust", "0 to 1"),
        (f'[[peer]]\nid = "{ID[:-1]}q"', 2, "check characters", ""),
        ('[[peer]]\nname = "x"', 1, "a peer needs an id", 'id = "p2pfw1..."'),
        (f'[[peer]]\nid = "{ID}"\ntrust_for = 0.5', 3, "trust_for is a table", ""),
        (f'[[peer]]\nid = "{ID}"\n[[peer]]\nid = "{ID}"', 4, "is named twice", "one [[peer]] an id"),
        (f'[[peer]]\nid = "{ID}"\nname = "a"\n[[peer]]\nname = "a"\nid = "{OTHER_ID}"', 5, "called 'a'", "one each"),
        ('[feed.a]\nformat = "plain"', 2, "feed.a needs url or file", "one of them"),
        ('[feed.a]\nurl = "https://e.org/"\nfile = "/f"', 2, "feed.a has both url and file", "one of them"),
        ('[feed.a]\nurl = "ftp://e.org/"', 2, "is no https:// address", "like https://"),
        ('[feed.a]\nurl = "https://e.org/"\nmax_change = 0', 3, "is not a share", "above 0"),
        ('[feed.a]\nurl = "https://e.org/"\nmax_change = "0.3"', 3, "is no number", "without quotes"),
        ('[feed.a]\nurl = "https://e.org/"\ncategory = "http"', 3, "is no category", "one of ssh"),
        ('[feed.a]\nurl = "https://e.org/"\nformat = "spamhaus"\nrefresh = "5m"', 4, "one fetch an hour", '"1h"'),
        ('[feed.a]\nurl = "https://e.org/"\nformat = "abuseipdb"', 3, "needs an API key", "key_file"),
        ('[feed.a]\nfile = "/f"\nadopt = "voice"\nannounce = true', 4, "one voice among others", 'adopt = "direct"'),
        ('[feed.a]\nfile = "/f"\nformat = "warninglist"\nannounce = true', 4, "is a whitelist", "announce = false"),
        ('[feed.a]\nurl = "http://e.org/"\nca_file = "/ca"', 3, "ca_file is for HTTPS", "https://"),
        ('[feed.a]\nfile = "/f"\nca_file = "/ca"', 3, "ca_file is for HTTPS", "https://"),
        ('[node]\nkey_file = "/k"\nowner_key_file = "/k"', 3, "two keys", "name two files"),
        ("[listen]\nopen = true", 2, "needs an address to listen on", "0.0.0.0:7787"),
        ('[listen]\npeer = "127.0.0.1:7788"', 2, "two listeners on 127.0.0.1:7788", "one address and port each"),
        (
            f'[api.rfw]\nenabled = true\nlocal_listen = ""\npassword_hash = "{HASH}"',
            2,
            "needs a certificate",
            "cert server",
        ),
    ],
)
def test_each_mistake_names_its_line_and_what_would_be_right(tmp_path, text, line, problem, hint):
    """One mistake in a file, one problem; nothing is guessed silently."""
    ((where, found, found_hint),) = problems(tmp_path, text)

    assert where == f"p2pfw.toml:{line}"
    assert problem in found
    assert hint in found_hint


def test_rfw_is_refused_where_it_would_be_open(tmp_path):
    """Certificate, password, and no change by GET without one."""
    text = "[api.rfw]\nenabled = true\nnon_restful = true"

    assert [problem for _, problem, _ in problems(tmp_path, text)] == [
        "api.rfw.listen is HTTPS and needs a certificate",
        "api.rfw needs a password",
        "changes by GET are never taken without a password",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("password_hash = 'secret'", "no Argon2id hash"),
        ("password_hash = '$argon2i$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA'", "no Argon2id hash"),
        (f"password_hash = '{HASH}'\nlocal_listen = '0.0.0.0:7390'", "HTTP without TLS"),
        (f"password_hash = '{HASH}'\nlocal_listen = '[2001:db8::1]:7390'", "HTTP without TLS"),
    ],
)
def test_rfw_takes_no_plain_password_and_no_plain_door(tmp_path, line, problem):
    """A password in clear would be in every backup; the local door is for this machine."""
    ((_, found, _),) = problems(tmp_path, f"[api.rfw]\nenabled = true\nlisten = ''\n{line}")

    assert problem in found


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "127.0.0.53", "localhost"])
def test_rfw_listens_locally_on_every_name_of_loopback(tmp_path, host):
    """Without a warning."""
    config = loaded(tmp_path, f"{RFW}listen = ''\nlocal_listen = '{host}:7390'")

    assert config.warnings == ()


@pytest.mark.parametrize(
    "content, where, problem",
    [
        (b"[node\nname = 1", ":1", "not TOML: Expected ']'"),
        (b"[node]\nname = \n", ":2", "not TOML: Invalid value"),
        (b"[node]\nname = 'a'\nname = 'b'\n", ":3", "not TOML: Cannot overwrite a value"),
        (b"[node]\nname = 'a\n", ":2", "not TOML"),
        (b"# caf\xe9\n", ":1", "is not UTF-8"),
        (b"\n\n\xff", ":3", "is not UTF-8"),
        (b"a = " + b"[" * 5_000, "", "is nested too deeply"),
        (b"#" * (4 * 1024 * 1024 + 1), "", "is larger than 4 MiB"),
    ],
)
def test_file_that_is_no_toml_is_told_with_its_line(tmp_path, content, where, problem):
    """Whatever somebody saves under this name."""
    path = tmp_path / "p2pfw.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path, place=place(tmp_path))

    assert caught.value.where == f"{path}{where}"
    assert problem in caught.value.problem


def test_directory_in_place_of_the_file_is_told(tmp_path):
    """As what it is."""
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, place=place(tmp_path))


def test_file_of_another_program_does_not_fill_the_screen(tmp_path):
    """Fifty problems are told; the rest would help nobody."""
    found = problems(tmp_path, "\n".join(f"key{number} = 1" for number in range(1_000)))

    assert len(found) == 50


# --- warnings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, word",
    [
        ("[api.rfw]\nenabled = true\nlisten = ''\nlocal_listen = ''", "both its listeners are off"),
        (f"{RFW}tls_cert = '/bin/sh'\ntls_key = '/bin/sh'", "api.rfw.clients is empty: nobody may call"),
        (
            f"{RFW}clients = '192.0.2.1'\ntls_cert = '/gone'\ntls_key = '/bin/sh'",
            "/gone is not there, and api.rfw.listen",
        ),
        ('[listen]\nadvertise = ["ws://a"]', "listen.peer is off"),
        ('[policy]\nallow = ["0.0.0.0/0"]', "nothing of that family will ever be blocked"),
        ('[feed.a]\nurl = "https://e.org/"\ntrust = 0.2', 'counts only with adopt = "voice"'),
        ('[feed.a]\nfile = "/f"\nformat = "crowdsec"\nmax_change = 1.0', "there may be none: minimum = 0"),
        ('[feed.a]\nurl = "https://e.org/"\nadopt = "voice"\nrefresh = "13h"', "may fall silent"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(tmp_path, text, word):
    """A node that does not start protects nobody."""
    (found,) = loaded(tmp_path, text).warnings

    assert word in found


def test_file_that_others_can_write_is_a_warning(tmp_path):
    """Who can write it can whitelist himself."""
    loaded(tmp_path, "")
    (tmp_path / "p2pfw.toml").chmod(0o666)

    assert "chmod go-w" in load(tmp_path / "p2pfw.toml", place=place(tmp_path)).warnings[0]


def test_file_that_vanished_meanwhile_is_no_warning(tmp_path):
    """It was read; what became of it is not this node's business."""
    assert warnings(Config(files=(tmp_path / "gone.toml",))) == ()


def test_addresses_of_peers_may_be_ipv6(tmp_path):
    """In brackets, with a path, with TLS."""
    urls = ("ws://[2001:db8::1]:7787", "wss://proxy.example.net/p2p", "ws://192.0.2.1")
    config = loaded(tmp_path, f'[[peer]]\nid = "{ID}"\naddresses = {list(urls)}'.replace("'", '"'))

    assert config.peers[0].addresses == urls


def test_one_text_is_a_list_of_one(tmp_path):
    """`hook = "filter/INPUT"`, as the contract writes it."""
    assert loaded(tmp_path, '[enforcer]\nhook = "filter/INPUT"').enforcer.hook == ("filter/INPUT",)


def test_environment_with_a_line_break_is_text(tmp_path):
    """Not two lines of TOML."""
    ((where, problem, _),) = problems(tmp_path, "", P2PFW_LISTEN__OPEN="true\nx = 1")

    assert where == "environment P2PFW_LISTEN__OPEN"
    assert "neither true nor false" in problem


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hush@e.org/",
        "https://me:hu/hush@e.org/",
        "https://hush@e.org/list",
        "me:hush@e.org/list",
        "ftp://e.org/list?key=hush",
    ],
)
def test_what_is_secret_in_a_url_is_in_no_error(tmp_path, url):
    """Errors end up in logs: a password, or a key behind the question mark, is not repeated there."""
    (tmp_path / "p2pfw.toml").write_text(f'[feed.a]\nurl = "{url}"\n')
    with pytest.raises(ConfigError, match=r"e\.org") as caught:
        load(tmp_path / "p2pfw.toml", place=place(tmp_path))

    assert "hush" not in str(caught.value)


def test_a_table_that_is_there_already_is_told_as_such(tmp_path):
    """The file that `init` writes has every section: what is pasted below them is refused with what to do instead."""
    (tmp_path / "p2pfw.toml").write_text("[webhook]\n\n[webhook]\nurl = 'https://a.example/'\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "p2pfw.toml", place=place(tmp_path))

    assert "p2pfw.toml:3" in str(caught.value)
    assert "further up already" in str(caught.value)


def test_number_that_python_will_not_read_is_a_config_error(tmp_path):
    """More digits than the interpreter converts: refused without a line, and without a traceback."""
    (tmp_path / "p2pfw.toml").write_text("a = " + "9" * 5_000)
    with pytest.raises(ConfigError, match="not TOML"):
        load(tmp_path / "p2pfw.toml", place=place(tmp_path))


# --- any text ----------------------------------------------------------------------------------------------------


def _load_any(path, data):
    path.write_bytes(data)
    here = place(path.parent)
    with suppress(ConfigError):
        assert isinstance(load(path, place=here), Config)


SAMPLE = CONTRACT.encode()
mutations = st.lists(
    st.tuples(
        st.integers(0, len(SAMPLE)), st.integers(0, 40), st.binary(max_size=8) | st.sampled_from([b'"', b"[", b"\n"])
    ),
    min_size=1,
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(mutations)
def test_mutated_configuration_loads_or_is_a_config_error(tmp_path, cuts):
    """Bytes cut out and put in anywhere: nothing but ConfigError comes out."""
    data = SAMPLE
    for start, length, new in cuts:
        data = data[:start] + new + data[start + length :]
    _load_any(tmp_path / "p2pfw.toml", data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_load_or_are_a_config_error(tmp_path, data):
    """Also what is no text at all."""
    _load_any(tmp_path / "p2pfw.toml", data)


toml_values = st.sampled_from(
    [
        "1",
        "-1",
        "1.5",
        "nan",
        "inf",
        "true",
        '""',
        '"x"',
        '"~/x"',
        '"a\\u0000b"',
        "[]",
        "[1]",
        '["10.0.0.0/8"]',
        "[[]]",
        "{}",
        "{ a = 1 }",
        "{ mail = 0.5 }",
        "1979-05-27",
        "1979-05-27T07:32:00Z",
        "07:32:00",
        f'"{ID}"',
        '"enforce"',
        '"5m"',
        "9" * 400,
    ]
)
toml_keys = st.sampled_from(
    [
        "node.name",
        "node.state_dir",
        "node.key_file",
        "listen.peer",
        "listen.advertise",
        "api.socket",
        "api.http",
        "api.rfw",
        "api.rfw.clients",
        "api.rfw.default_expire",
        "enforcer.mode",
        "enforcer.hook",
        "enforcer.max_entries",
        "policy",
        "policy.default_trust",
        "policy.allow",
        "policy.allow_files",
        "discovery.charter",
        "feed.x",
        "feed.x.url",
        "feed.x.refresh",
        "feed.x.max_change",
        "feed.x.file",
        "peer",
        "node",
        "feed",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.dictionaries(toml_keys, toml_values, max_size=5), st.dictionaries(toml_keys, toml_values, max_size=3))
def test_any_value_for_any_key_loads_or_is_a_config_error(tmp_path, top, peer):
    """Every type in every place, in files and in peers."""
    text = "\n".join(f"{key} = {value}" for key, value in top.items())
    text += "\n[[peer]]\n" + "\n".join(f"{key.rpartition('.')[2]} = {value}" for key, value in peer.items())
    _load_any(tmp_path / "p2pfw.toml", text.encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.dictionaries(toml_keys, toml_values | st.text(st.characters(exclude_characters="\0")), max_size=4))
def test_any_environment_loads_or_is_a_config_error(tmp_path, values):
    """The same from the other side."""
    variables = {f"P2PFW_{key.replace('.', '__').upper()}": value for key, value in values.items()}
    with suppress(ConfigError):
        assert isinstance(loaded(tmp_path, "", **variables), Config)


@pytest.mark.parametrize(
    "url",
    ["https://e.org:99999/T0/hush", "ftp://e.org/hush", "e.org/hush", "https://me:hush@e.org/hush", "https:///hush"],
)
def test_the_path_of_a_webhook_is_in_no_error(tmp_path, url):
    """Chats give out addresses whose path is the secret, and a reload's error is an event and a line of the log."""
    (tmp_path / "p2pfw.toml").write_text(f'[webhook]\nurl = "{url}"\n')
    with pytest.raises(ConfigError, match="is no https:// address") as caught:
        load(tmp_path / "p2pfw.toml", place=place(tmp_path))

    assert "hush" not in str(caught.value)
