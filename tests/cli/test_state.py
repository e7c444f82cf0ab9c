"""status, why, list, export, events, doctor: what people, scripts and monitoring read."""

import json

import pytest
from msgspec import structs

from p2pfw import schema
from p2pfw.cli.exporting import FORMATS
from p2pfw.web.rendering import FORMS
from tests.cli.samples import NODE, NOW, OWNER, at, entry, status, why

WHY = """\
203.0.113.9  BLOCKED since 4m ago, expires in 3h56m
  matched    203.0.113.0/24 (longest of 2 entries)
  adopted    score 0.94 ≥ 0.92, voices 2 of 2
      0.90   helios   ssh    signed 5m ago   expires in 4h   configured 0.90
      0.40   juno     scan   signed 9m ago   expires in 1h   configured 0.40
      —      ceres    ssh    not counted: same owner as another
  flips if   helios retracts (0.40 < 0.77)
  whitelist  no overlap (3 sources, 214 ranges, both directions)
  kernel     installed in p2pfw-block4, 41 packets dropped
  undo       p2pfw allow add 203.0.113.9 --ttl 1d     p2pfw peer trust helios 0.2
"""


def test_why_reads_as_the_contract_shows_it(node, p2pfw):
    """Verdict, matched entry, score, evidence, what flips it, whitelist, kernel, remedy: in this order."""
    node.answer("GET", "/v1/why/203.0.113.9", why())

    done = p2pfw("why", "203.0.113.9")

    assert (done.code, done.err) == (0, "")
    assert done.out == WHY


@pytest.mark.parametrize(
    "changed, line",
    [
        ({"blocked": False, "verdict": "UNKNOWN", "matched": None}, "203.0.113.9  NOT BLOCKED\n"),
        ({"blocked": False, "verdict": "UNKNOWN", "matched": None}, "  matched    nobody says anything about it\n"),
        ({"expires": None}, "BLOCKED since 4m ago, until it is taken back\n"),
        ({"dropped": False}, "expires in 3h56m (not dropped here: see kernel)\n"),
        ({"matched_of": 1}, "  matched    203.0.113.0/24\n"),
        ({"score": None, "threshold": None, "reason": "operator"}, "  adopted    this operator's own word\n"),
        (
            {"blocked": False, "verdict": "HOLD", "reason": "needs-voices", "score": 0.5, "voices": 1},
            "  held       score 0.50 < 0.92, voices 1 of 2: too few independent voices\n",
        ),
        (
            {"blocked": False, "verdict": "REFUSE", "reason": "whitelist", "score": None},
            "  refused    the whitelist\n",
        ),
        ({"reason": "newer-word", "score": None}, "  adopted    newer-word\n"),
        (
            {"overlap": "203.0.113.0/24 (whitelist: command)"},
            "  whitelist  overlaps 203.0.113.0/24 (whitelist: command)\n",
        ),
        ({"kernel": schema.KernelView(installed=False)}, "  kernel     not installed: this node observes"),
        ({"kernel": schema.KernelView(installed=False, error="no rights")}, "  kernel     cannot be read: no rights\n"),
        ({"kernel": schema.KernelView(installed=True, set="x")}, "  kernel     installed in x\n"),
        (
            {"related": [schema.Related(prefix=f"10.{n}.0.0/16", verdict="HOLD", reason="ok") for n in range(7)]},
            "10.4.0.0/16 held, 2 more\n",
        ),
    ],
)
def test_why_says_what_is_the_case(node, p2pfw, changed, line):
    """For every verdict, also for an address that nobody knows."""
    node.answer("GET", "/v1/why/203.0.113.9", why(**changed))

    assert line in p2pfw("why", "203.0.113.9").out


def test_why_wants_the_kernels_counters(node, p2pfw):
    """They cost time, and a person who asks why wants to know whether packets are dropped."""
    node.answer("GET", "/v1/why/203.0.113.9", why())
    p2pfw("why", "203.0.113.9")

    assert node.last.query == {"counters": "1"}


def test_events_leave_out_signs_of_life(node, p2pfw):
    """A quiet stream has empty lines; those who read the output as NDJSON get none."""
    node.answer("GET", "/v1/events", b'{"id":1}\n\n\n{"id":2}\n\n')

    assert p2pfw("events", "--follow").out == '{"id":1}\n{"id":2}\n'


def test_why_for_scripts_has_tabs_and_epoch_seconds(node, p2pfw):
    """--plain."""
    node.answer("GET", "/v1/why/203.0.113.9", why(since="2026-01-31T12:00:00Z"))

    rows = [line.split("\t") for line in p2pfw("--plain", "why", "203.0.113.9").out.splitlines()]

    assert ["blocked", "1"] in rows
    assert ["since", "1769860800"] in rows
    assert [row[:3] for row in rows if row[0] == "evidence"] == [
        ["evidence", "0.9", "helios"],
        ["evidence", "0.4", "juno"],
        ["evidence", "-", "ceres"],
    ]


def test_words_of_others_cannot_write_to_the_terminal(node, p2pfw):
    """A peer's name with an escape sequence, a comment that turns the text around."""
    evil = "x\x1b[2J\x07\u202ey"
    node.answer("GET", "/v1/why/203.0.113.9", why(overlap=evil, flips=[evil]))

    for flags in ([], ["--plain"]):
        out = p2pfw(*flags, "why", "203.0.113.9").out
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "x?[2J??y" in out


def test_status_begins_with_what_is_wrong(node, p2pfw):
    """Health lines first, each with its remedy."""
    lines = [
        schema.HealthLine(level="error", code="kernel", text="the kernel refused", remedy="p2pfw doctor"),
        schema.HealthLine(level="info", code="observe", text="only watching"),
    ]
    confirming = schema.Confirming(reverts_at=at(minutes=1), reverts_to="observe")
    found = status(health=lines, confirming=confirming, drift={"rule": 2}, last_error="EPERM", enforcing=False)
    node.answer("GET", "/v1/status", found)

    out = p2pfw().out.splitlines()

    assert out[:3] == ["error   the kernel refused", "        p2pfw doctor", "info    only watching"]
    assert f"node      web-1  {NODE}" in out
    assert "mode      enforce (by command): NOT COMPLETE in the kernel" in out
    assert "          observe again in 1m, unless you type: p2pfw confirm" in out
    assert "blocked   12 adopted, 11 in the kernel, 1 on their way" in out
    assert "repaired  rule 2" in out
    assert "error     EPERM" in out


def test_status_is_what_p2pfw_does_without_a_command(node, p2pfw):
    """The same screen, the same JSON."""
    node.answer("GET", "/v1/status", status())

    assert p2pfw().out == p2pfw("status").out
    assert json.loads(p2pfw("--json").out)["schema"] == "p2pfw.status/1"


def test_status_for_scripts_has_every_number(node, p2pfw):
    """One a line."""
    node.answer("GET", "/v1/status", status(refusals={"bad-signature": 3}))

    rows = dict(line.split("\t", 1) for line in p2pfw("--plain", "status").out.splitlines())

    assert rows["adopted"] == "12"
    assert rows["enforcing"] == "1"
    assert rows["started"] == "1769860800"
    assert rows["refusals"] == "bad-signature\t3"


def test_global_flags_work_before_and_behind_the_command(node, p2pfw):
    """People type them where they like."""
    node.answer("GET", "/v1/status", status())

    assert p2pfw("--json", "status").out == p2pfw("status", "--json").out
    assert p2pfw("--plain", "status").out == p2pfw("status", "--plain").out


def test_list_follows_the_cursor_to_the_end(node, p2pfw):
    """All pages in one listing; as JSON in one object."""
    page = schema.Listing(entries=[entry("203.0.113.9/32"), entry("2001:db8::/48", origins=[OWNER])], total=2)
    node.answer("GET", "/v1/list", page)

    done = p2pfw("list", "--held", "--origin", "helios", "--contains", "203.0.113.9")

    assert node.last.query == {"view": "held", "origin": "helios", "contains": "203.0.113.9", "limit": "1000"}
    assert done.out == (
        "PREFIX         VERDICT  EXPIRES  CATEGORY  FROM              WHY\n"
        "203.0.113.9    adopted  never    other     helios            enough independent voices\n"
        f"2001:db8::/48  adopted  never    other     {OWNER[:16]}  enough independent voices\n"
    )
    found = json.loads(p2pfw("--json", "list").out)
    assert [one["prefix"] for one in found["entries"]] == ["203.0.113.9/32", "2001:db8::/48"]
    assert found["schema"] == "p2pfw.list/1"


def test_list_stops_at_its_limit(node, p2pfw):
    """However much more there is."""
    page = schema.Listing(entries=[entry("203.0.113.9/32")], total=500, cursor="more")
    node.answer("GET", "/v1/list", page)

    done = p2pfw("--plain", "list", "--limit", "3")

    assert len(done.out.splitlines()) == 3
    assert [one.query.get("cursor") for one in node.asked] == [None, "more", "more"]
    assert [one.query["limit"] for one in node.asked] == ["3", "2", "1"]


def test_a_list_of_nothing_says_so_to_people(node, p2pfw):
    """An empty screen looks like a failure; scripts get no line."""
    node.answer("GET", "/v1/list", schema.Listing(entries=[], total=0))

    assert p2pfw("list") == (0, "", "(none)\n")
    assert p2pfw("--plain", "list") == (0, "", "")


def test_the_top_shows_what_was_dropped(node, p2pfw):
    """Packets and bytes first; twenty unless more are asked for."""
    talker = structs.replace(entry("203.0.113.9/32"), packets=12_345, bytes=740_700)
    node.answer("GET", "/v1/list", schema.Listing(entries=[talker], total=1))

    done = p2pfw("list", "--top")

    assert node.last.query == {"view": "top", "limit": "20"}
    assert done.out == (
        "PACKETS  BYTES    PREFIX       VERDICT  EXPIRES  CATEGORY  FROM    WHY\n"
        "12,345   740,700  203.0.113.9  adopted  never    other     helios  enough independent voices\n"
    )
    assert p2pfw("--plain", "list", "--top").out.rstrip("\n").split("\t")[-2:] == ["12345", "740700"]


LISTED = b"198.51.100.0/25\n198.51.100.128/25\n203.0.113.9\n2001:db8::/48\n"


def test_export_gives_what_the_node_renders(node, p2pfw):
    """Byte for byte."""
    node.answer("GET", "/v1/blocklist", LISTED)

    assert p2pfw("export", "plain", "--family", "4").out == LISTED.decode()
    assert node.last.query == {"format": "plain", "family": "4"}


def test_export_asks_the_node_for_any_format(node, p2pfw):
    """The names that the command knows are those of the API; what may be asked of each is the node's to say."""
    node.answer("GET", "/v1/blocklist", LISTED)

    assert set(FORMATS) == set(FORMS)
    for name in FORMATS:
        assert p2pfw("export", name, "--aggregate", "--max", "7").code == 0
        assert node.last.query == {"format": name, "aggregate": "1", "limit": "7"}


def test_export_replaces_a_file_whole_or_not_at_all(node, p2pfw, tmp_path):
    """A firewall that reads it meanwhile never sees half a list; a failure leaves the old one."""
    target = tmp_path / "list"
    target.write_text("old")
    node.refuse("GET", "/v1/blocklist", 503, "not ready")

    assert p2pfw("export", "plain", "-o", str(target)).code == 1
    assert target.read_text() == "old"

    node.answer("GET", "/v1/blocklist", LISTED)

    assert p2pfw("export", "plain", "-o", str(target)).code == 0
    assert target.read_bytes() == LISTED
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_export_into_a_place_that_is_not_there_is_usage(node, p2pfw, tmp_path):
    """Before the node is asked for anything."""
    done = p2pfw("export", "plain", "-o", str(tmp_path / "none" / "list"))

    assert done.code == 2
    assert "cannot be written" in done.err


def test_events_are_one_object_a_line(node, p2pfw):
    """As the node sends them."""
    lines = b'{"id":1,"kind":"block"}\n{"id":2,"kind":"unblock"}\n'
    node.answer("GET", "/v1/events", lines)

    assert p2pfw("events").out == lines.decode()
    assert node.last.headers["accept"] == "application/x-ndjson"
    assert node.last.query == {"follow": "0"}


@pytest.mark.parametrize(
    "since, seconds", [("2026-01-31T12:00:00Z", 1769860800), ("2026-01-31T12:00:00", 1769860800), ("17", 17)]
)
def test_events_since_a_time(node, p2pfw, since, seconds):
    """RFC 3339, UTC where no zone is said, or epoch seconds."""
    node.answer("GET", "/v1/events", b"")
    p2pfw("events", "--since", since)

    assert node.last.query["since"] == str(seconds)


def test_events_since_a_while_ago_and_since_nonsense(node, p2pfw):
    """A duration counts back from now."""
    node.answer("GET", "/v1/events", b"")
    p2pfw("events", "--since", "1h")

    assert node.last.query["since"] == str(NOW - 3_600)
    done = p2pfw("events", "--since", "yesterday")
    assert done.code == 2
    assert "neither a duration nor a time" in done.err


def _doctor(level: str) -> schema.Doctor:
    checks = [
        schema.Check(code="clock", level="ok", text="the clock is right"),
        schema.Check(code="ipset", level=level, text="ipset is missing", remedy="apt install ipset"),
    ]
    return schema.Doctor(level=level, checks=checks)


@pytest.mark.parametrize("level, code, nagios", [("ok", 0, 0), ("warning", 0, 1), ("error", 1, 2)])
def test_doctor_has_exit_codes_for_scripts_and_for_monitoring(node, p2pfw, level, code, nagios):
    """Scripts: 1 when something is broken. Plugins: 0, 1, 2."""
    node.answer("GET", "/v1/doctor", _doctor(level))

    assert p2pfw("doctor").code == code
    assert p2pfw("--json", "doctor").code == code
    done = p2pfw("doctor", "--nagios")
    assert done.code == nagios
    assert done.out.startswith(("P2PFW OK - 2 checks", "P2PFW WARNING - ipset", "P2PFW CRITICAL - ipset")[nagios])


def test_doctor_shows_the_remedy_under_the_fault(node, p2pfw):
    """What to type."""
    node.answer("GET", "/v1/doctor", _doctor("error"))

    assert p2pfw("doctor").out == ("ok      the clock is right\nerror   ipset is missing\n        apt install ipset\n")
    assert p2pfw("--plain", "doctor").out.splitlines()[1] == "error\tipset\tipset is missing\tapt install ipset"
