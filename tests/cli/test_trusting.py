"""peer vouch, unvouch, forgive, try, score, trust on trial; allow add that asks; the doctor's numbers."""

import json

import pytest

from p2pfw import schema
from p2pfw.cli import allowing
from tests.cli.samples import NODE, OWNER, at, peer, why


def test_vouching_says_what_it_means(node, p2pfw):
    """What was asked, and the node's words."""
    node.answer("POST", "/v1/vouches", schema.TextAnswer(text="vouched for juno"), status=201)
    done = p2pfw("peer", "vouch", "juno", "--level", "0.5", "--ttl", "30d")

    assert done.out == "vouched for juno\n"
    assert node.asked[-1].json == {"id": "juno", "level": 0.5, "ttl": "30d"}
    assert p2pfw("--plain", "peer", "vouch", "juno").out == "vouched for juno\n"
    assert json.loads(p2pfw("--json", "peer", "vouch", "juno").out)["text"] == "vouched for juno"
    assert p2pfw("peer", "vouch", "juno", "--level", "2").code == 2


def test_vouches_are_a_table(node, p2pfw):
    """Who, for whom, until when, and whether that counts here."""
    one = schema.VouchView(
        voucher=OWNER,
        voucher_name="helios",
        subject=NODE,
        subject_name="juno",
        level=1.0,
        expires=at(days=9),
        counts=True,
    )
    node.answer("GET", "/v1/vouches", schema.VouchList(vouches=[one]))

    assert p2pfw("peer", "vouch").out.splitlines()[1].split()[:3] == ["helios", "juno", "1.00"]
    assert p2pfw("--plain", "peer", "vouch").out.split("\t")[0] == OWNER
    assert json.loads(p2pfw("--json", "peer", "vouch").out)["schema"] == "p2pfw.vouches/1"


def test_taking_back_and_forgiving(node, p2pfw):
    """Names may have slashes; they stay in one part of the path."""
    node.answer("DELETE", "/v1/vouches/a/b", schema.TextAnswer(text="no longer"))
    node.answer("POST", "/v1/forgive", schema.TextAnswer(text="forgiven"))

    assert p2pfw("peer", "unvouch", "a/b").out == "no longer\n"
    assert p2pfw("peer", "forgive", "juno").out == "forgiven\n"
    assert node.asked[-1].json == {"id": "juno"}


@pytest.mark.parametrize(
    ("hits", "words"), [([], "nobody who is connected"), ([("198.51.100.7", "port 22")], "cut off")]
)
def test_trying_shows_what_would_change(node, p2pfw, hits, words):
    """How many, the first ones, the limits, and who would be cut off."""
    answer = schema.TryAnswer(
        owner="juno",
        trust_now=0.4,
        trust=0.9,
        adopted=7,
        dropped=1,
        adopts=[f"203.0.113.{n}/32" for n in range(7)],
        drops=["203.0.113.99/32"],
        prefixes_limit=90_000,
        rate_limit=1_800,
        clients=[schema.Hit(address=a, what=w, prefix="198.51.100.0/24") for a, w in hits],
    )
    node.answer("POST", "/v1/try", answer)
    out = p2pfw("peer", "try", "juno", "--trust", "solo").out

    assert "0.40 -> 0.90" in out
    assert "would adopt  7  203.0.113.0/32" in out
    assert words in out
    rows = p2pfw("--plain", "peer", "try", "juno", "--trust", "solo").out.splitlines()
    assert len(rows) == 8 + len(hits)
    assert json.loads(p2pfw("--json", "peer", "try", "juno", "--trust", "solo").out)["schema"] == "p2pfw.try/1"


def test_scorecards_are_a_table(node, p2pfw):
    """Right, wrong, alone, first and by how long, and what is suggested."""
    card = schema.Scorecard(
        owner=OWNER,
        name="juno",
        trust=0.4,
        trust_from="configured",
        confirmed=3,
        contradicted=1,
        entries=1_200,
        alone_share=0.25,
        first=7,
        lead_seconds=90,
        suggested=0.3,
        suggested_because="1 of 4 observations were wrong",
    )
    node.answer("GET", "/v1/scorecards", schema.Scorecards(cards=[card]))
    node.answer("GET", "/v1/scorecards/juno", schema.Scorecards(cards=[card]))
    line = p2pfw("peer", "score").out.splitlines()[1]

    assert line.split()[:6] == ["juno", "0.40", "3", "1", "1,200", "25%"]
    assert "7 by 90 s" in line
    assert "0.30 (1 of 4 observations were wrong)" in line
    assert p2pfw("--plain", "peer", "score", "juno").out.split("\t")[1] == "juno"
    assert json.loads(p2pfw("--json", "peer", "score").out)["schema"] == "p2pfw.scorecards/1"


def test_trust_may_be_given_on_trial(node, p2pfw):
    """Taken back by itself unless confirmed; said so."""
    node.answer("PUT", "/v1/peers/juno", peer())
    done = p2pfw("peer", "trust", "juno", "solo", "--confirm", "60")
    said = node.asked[-1].json
    p2pfw("peer", "trust", "juno", "solo", "--for", "ssh", "--confirm", "60")
    special = node.asked[-1].json
    p2pfw("peer", "distrust", "juno", "--confirm", "5")

    assert said == {"trust": "solo", "confirm": 60}
    assert special == {"trust_for": {"ssh": 0.9}, "confirm": 60}
    assert node.asked[-1].json == {"distrust": True, "confirm": 5}
    assert "p2pfw confirm" in done.err


def test_a_peer_shows_what_was_seen_of_it_and_what_it_may(node, p2pfw):
    """Evidence, sponsor, limits; a mute with its remedy."""
    limits = schema.PeerLimits(
        adopted=5,
        adopted_limit=40_000,
        new_10min=1,
        alone_hour=2,
        rate_limit=800,
        hosts=5,
        hosts_limit=262_144,
        held=3,
    )
    seen = peer(weight=0.2, rep=0.5, confirmed=1, contradicted=2, sponsor="helios", limits=limits)
    node.answer("GET", "/v1/peers/berlin", seen)
    out = p2pfw("peer", "show", "berlin").out
    node.answer("GET", "/v1/peers/berlin", peer(muted=True, rep=0.2))

    assert "0.20 (x 0.50 by what was seen of it, one voice with helios, who vouches for it)" in out
    assert "1 right, 2 wrong" in out
    assert "5 of 40,000 prefixes; alone 2 of 800 an hour; 3 held" in out
    assert "p2pfw peer forgive" in p2pfw("peer", "show", "berlin").out


def test_whitelisting_says_whose_mistake_it_was(node, p2pfw):
    """By a flag; without a terminal nobody is asked, and nobody is to blame."""
    entry = schema.AllowEntry(prefix="203.0.113.9/32", source="command")
    node.answer("PUT", "/v1/allow/203.0.113.9", schema.AllowAnswer(entry=entry, contradicted=["helios"]))
    p2pfw("allow", "add", "203.0.113.9", "--false-positive")
    said = node.asked[-1].json
    p2pfw("allow", "add", "203.0.113.9")

    assert said["false_positive"] is True
    assert "false_positive" not in node.asked[-1].json


@pytest.mark.parametrize(("answer", "wrong"), [("y", True), ("n", False)])
def test_a_terminal_is_asked_whether_they_were_wrong(node, p2pfw, monkeypatch, answer, wrong):
    """Only where others had it blocked, with their names."""
    entry = schema.AllowEntry(prefix="203.0.113.9/32", source="command")
    node.answer("PUT", "/v1/allow/203.0.113.9", schema.AllowAnswer(entry=entry))
    node.answer("GET", "/v1/why/203.0.113.9", why())
    asked = []
    monkeypatch.setattr(allowing.sys, "stdin", type("Terminal", (), {"isatty": lambda _: True})())
    monkeypatch.setattr(allowing.click, "confirm", lambda text, **_: asked.append(text) or answer == "y")
    monkeypatch.setattr(allowing, "sys", type("Fake", (), {"stdin": allowing.sys.stdin}))
    p2pfw("allow", "add", "203.0.113.9")

    assert node.asked[-1].json.get("false_positive", False) is wrong
    assert "helios, juno" in asked[0]


def test_the_doctor_shows_who_could_do_what(node, p2pfw):
    """For people; the checks stay one a line in --plain."""
    report = schema.TrustReport(
        coalitions=[
            schema.Coalition(
                prefix="/32 or /64", number=2, owners=["helios", "juno"], score=0.64, threshold=0.6, voices_needed=1
            ),
            schema.Coalition(prefix="/48", number=None, owners=[], score=0.64, threshold=0.95, voices_needed=3),
        ],
        alone=[
            schema.Alone(
                owner="helios",
                trust=0.9,
                can_block=["/32 or /64"],
                prefixes=3,
                prefixes_limit=90_000,
                lone_hour_limit=9,
            ),
            schema.Alone(owner="juno", trust=0.4, can_block=[], prefixes=3, prefixes_limit=90_000, lone_hour_limit=0),
        ],
        needed_now=[schema.Needed(owner="helios", prefixes=12)],
        fleet=3,
    )
    check = schema.Check(code="collusion", level="ok", text="it takes 2")
    node.answer("GET", "/v1/doctor", schema.Doctor(level="ok", checks=[check], trust=report))
    out = p2pfw("doctor").out

    assert "helios, juno (0.64 of 0.60)" in out
    assert "not even all together" in out
    assert "alone: /32 or /64; at most 90,000 prefixes, 9 new an hour" in out
    assert "without helios 12 blocks would end now" in out
    assert len(p2pfw("--plain", "doctor").out.splitlines()) == 1
