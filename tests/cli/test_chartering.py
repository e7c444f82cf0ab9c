"""charter, join FILE, owner export: on files and keys, without a node where none is needed."""

import json

import pytest

from p2pfw import schema
from p2pfw.config.charterfile import parse_charter, read_charter
from p2pfw.core.idtext import encode_id
from p2pfw.store.keyfile import Purpose, new_seed, read_key, write_key
from p2pfw.store.lock import StateLock

NODE = encode_id(bytes(range(32)))


@pytest.fixture
def owners(tmp_path):
    """Three owner keys, as files."""
    found = {}
    for name in ("alice", "bob", "carol"):
        place = tmp_path / name
        place.mkdir(mode=0o700)
        found[name] = (
            place / "owner.key",
            encode_id(write_key(place / "owner.key", new_seed(), Purpose.OWNER).public_key),
        )
    return found


@pytest.fixture
def founded(offline, owners, tmp_path):
    """A charter of the three, signed by two of them."""
    file = tmp_path / "net.toml"
    members = [f"--member={key}={name}" for name, (_, key) in owners.items()]
    done = offline(
        "charter",
        "new",
        "example",
        *members,
        "--seed",
        f"{NODE}=ws://seed:7787",
        "-o",
        str(file),
        "--key",
        str(owners["alice"][0]),
    )
    assert done.code == 0, done.err
    assert offline("charter", "sign", str(file), "--key", str(owners["bob"][0])).code == 0
    return file


def view(file, **fields):
    """A node's answer with the charter of a file."""
    signed = read_charter(file)
    one = schema.CharterVersion(
        hash=signed.charter.hash.hex(),
        number=signed.charter.number,
        members=[],
        changes_need=signed.charter.changes_need,
        valid_until="2027-01-01T00:00:00Z",
        signed_by=[],
        signatures=2,
        needed=2,
        text=file.read_text(),
    )
    given = {"network": "example", "network_id": "00", "current": one, "proposals": [], "conflict": [], "forked": False}
    return schema.CharterView(**{**given, **fields})


def test_a_charter_is_founded_and_signed_with_key_files_alone(founded, owners):
    """More than half by default; every signature is good."""
    signed = read_charter(founded)

    assert signed.is_founded()
    assert signed.charter.changes_need == 2
    assert {member.name for member in signed.charter.members} == set(owners)
    assert [seed.address for seed in signed.charter.seeds] == ["ws://seed:7787"]


def test_what_a_file_says_can_be_shown_and_compared(offline, founded, owners, tmp_path):
    """Text that is the same when it was read; a diff says what changes, and its exit code that it does."""
    shown = offline("charter", "show", str(founded))
    same = offline("charter", "diff", str(founded), str(founded))

    assert parse_charter(shown.out, "shown") == read_charter(founded)
    assert (same.code, same.out) == (0, "")
    assert offline("charter", "show", str(tmp_path / "none.toml")).code == 2


def test_a_proposal_changes_what_was_asked_for(node, p2pfw, offline, founded, owners, tmp_path):
    """Add, remove, another trust, more seeds, how many it takes: signed, and into a file."""
    node.answer("GET", "/v1/charter", view(founded))
    dora = encode_id(bytes(range(1, 33)))
    file = tmp_path / "next.toml"
    done = p2pfw(
        *("charter", "propose", "--add", f"{dora}=dora:pair", "--remove", "carol", "--trust", "bob=0.5"),
        *(
            "--seed",
            f"{NODE}=wss://other",
            "--need",
            "3",
            "--valid",
            "30d",
            "-o",
            str(file),
            "--key",
            str(owners["alice"][0]),
        ),
    )
    before, after = read_charter(founded), read_charter(file)
    diff = offline("charter", "diff", str(file), str(founded))

    assert done.code == 0, done.err
    assert after.charter.follows(before.charter)
    assert after.voices(before.charter) == 1
    assert diff.code == 1
    assert diff.out.splitlines()[0].startswith(("+ dora", "~ bob"))
    assert {line[:1] for line in diff.out.splitlines()} == {"+", "-", "~"}
    assert "~ changes need 2 -> 3" in diff.out
    assert "~ bob quad -> bob 0.5" in diff.out


def test_a_proposal_is_gossiped_by_the_node(node, p2pfw, founded, owners):
    """Its signed bytes are what the node gets; a version of a conflict can be followed."""
    node.answer("GET", "/v1/charter", view(founded, conflict=[view(founded).current]))
    node.answer("POST", "/v1/charter", view(founded))
    key = str(owners["alice"][0])
    done = p2pfw("charter", "propose", "--remove", owners["carol"][1], "--key", key)
    sent = node.asked[-1].json["charter"]
    unknown = p2pfw("charter", "propose", "--after", "ffff", "--key", key)
    nobody = p2pfw("charter", "propose", "--remove", "mallory", "--key", key)

    assert "holds" in done.out
    assert len(bytes.fromhex(sent)) > 200
    assert (unknown.code, nobody.code) == (2, 2)
    assert "members are alice, bob, carol" in nobody.err


def test_a_hash_is_signed_by_the_node(node, p2pfw, founded):
    """And what holds, is proposed and in conflict is shown."""
    one = view(founded).current
    node.answer("POST", "/v1/charter/sign", view(founded, proposals=[one], conflict=[one, one], forked=True))
    node.answer("GET", "/v1/charter", view(founded, proposals=[one]))
    out = p2pfw("charter", "sign", "1f3a9c02").out

    assert node.asked[-1].json == {"hash": "1f3a9c02"}
    assert "proposed: 2 of 2 signatures" in out
    assert "CONFLICT" in out
    assert "not followed" in out
    assert p2pfw("--plain", "charter", "show").out.split("\t")[0] == "holds"
    assert json.loads(p2pfw("--json", "charter", "show").out)["schema"] == "p2pfw.charter/1"


def test_what_holds_is_exported(node, p2pfw, founded, tmp_path):
    """The same charter, in a file or on standard output."""
    node.answer("GET", "/v1/charter", view(founded))
    file = tmp_path / "copy.toml"

    assert parse_charter(p2pfw("charter", "export").out, "stdout") == read_charter(founded)
    assert p2pfw("charter", "export", "-o", str(file)).code == 0
    assert read_charter(file) == read_charter(founded)


@pytest.mark.parametrize(
    "argv",
    [
        ("charter", "new", "example", "--member", "x"),
        ("charter", "new", "example", "--member", "p2pfw1=a"),
        ("charter", "new", "example", "--seed", "x"),
        ("charter", "new", "example"),
    ],
)
def test_what_makes_no_charter_is_said(offline, owners, argv):
    """No half of one is written."""
    done = offline(*argv, "--key", str(owners["alice"][0]))

    assert done.code == 2
    assert done.err.startswith("p2pfw: ")
    assert "Traceback" not in done.err


def test_a_file_that_is_no_charter_names_what_is_wrong(offline, founded, tmp_path):
    """A changed byte, an unknown key, no TOML, too few signatures."""
    text = founded.read_text()
    wrong = {
        "changed": (text.replace('"alice"', '"alyce"'), "signature"),
        "unknown": (text.replace("changes_need", "need"), "need is no key of [charter]"),
        "section": (text + "[extra]\n", "[extra] is no part of a charter"),
        "none": ("a = ", "not TOML"),
        "empty": ("", "no charter"),
        "zone": (text.replace('Z"', '"'), "no zone"),
    }
    for name, (content, words) in wrong.items():
        file = tmp_path / f"{name}.toml"
        file.write_text(content)
        done = offline("charter", "show", str(file))
        assert (done.code, words in done.err) == (2, True), (name, done.err)
    few = tmp_path / "few.toml"
    few.write_text(text[: text.rindex("[[signature]]")])
    joined = offline("-c", str(tmp_path / "j" / "p2pfw.toml"), "join", str(few))
    assert joined.code == 2
    assert "1 of its members signed it, 2 must have" in joined.err


def test_joining_by_a_file_makes_a_node_of_that_network(offline, founded, tmp_path):
    """Keys, configuration, and the charter beside it; again changes nothing; another network is refused."""
    config = tmp_path / "node" / "p2pfw.toml"
    first = offline("-c", str(config), "join", str(founded), "--name", "n1")
    again = offline("-c", str(config), "--json", "join", str(founded))
    shown = offline("-c", str(config), "config", "show")

    assert (first.code, again.code) == (0, 0), first.err
    assert "n1 is in network example: 3 members" in first.out
    assert json.loads(again.out)["members"] == 3
    assert "charter" in shown.out
    assert (config.parent / "conf.d" / "charter.toml").exists()
    assert offline("-c", str(config), "run", "--check").code == 0
    assert offline("-c", str(config), "join", str(founded), "--trust", "solo").code == 2
    (config.parent / "conf.d" / "charter.toml").write_text('[discovery]\ncharter = "/other"\n')
    assert "names another charter" in offline("-c", str(config), "join", str(founded)).err


def test_the_owners_key_goes_offline(offline, tmp_path, monkeypatch):
    """Exported with a passphrase, taken off the node, and used on a machine that has nothing else."""
    config, copy = tmp_path / "node" / "p2pfw.toml", tmp_path / "safe" / "owner.key"
    offline("-c", str(config), "init", "--name", "n1")
    ids = json.loads(offline("-c", str(config), "--json", "id").out)
    monkeypatch.setenv("P2PFW_PASSPHRASE", "correct horse")
    done = offline("-c", str(config), "owner", "export", str(copy), "--passphrase", "--remove")
    certificate = offline("owner", "certify", ids["node_id"], "--key", str(copy))
    kept = offline("-c", str(config), "owner", "certify", "--use", certificate.out.strip())

    assert done.code == 0, done.err
    assert encode_id(read_key(copy, Purpose.OWNER, passphrase="correct horse").public_key) == ids["owner_id"]
    assert kept.code == 0, kept.err
    assert offline("-c", str(config), "owner", "export", str(copy)).code == 1
    assert offline("owner", "certify", "--key", str(copy)).code == 2
    monkeypatch.delenv("P2PFW_PASSPHRASE")
    assert "needs a passphrase" in offline("owner", "certify", ids["node_id"], "--key", str(copy)).err


def test_an_owners_key_is_rotated(node, p2pfw, owners, tmp_path):
    """The new key is made where there is none; both sign, and the node gossips it."""
    from p2pfw.core.succession import Succession

    node.answer("POST", "/v1/owner/succeed", schema.OwnerAnswer(text="taken over"))
    new = tmp_path / "new" / "owner.key"
    done = p2pfw("owner", "rotate", str(new), "--key", str(owners["alice"][0]))
    sent = Succession.decode(bytes.fromhex(node.asked[-1].json["succession"]))
    sent.check_signatures()

    assert done.out == "taken over\n"
    assert encode_id(sent.old) == owners["alice"][1]
    assert sent.new == read_key(new, Purpose.OWNER).public_key


def test_a_node_that_runs_is_stopped_before_it_joins_a_network(offline, founded, tmp_path):
    """Nothing is written beside it: a charter that is half there would change its network at the next start."""
    config = tmp_path / "node" / "p2pfw.toml"
    offline("-c", str(config), "init")
    state = config.parent / "state"
    with StateLock.take(state):
        refused = offline("-c", str(config), "join", str(founded))

    assert refused.code == 1
    assert "stop it first" in refused.err
    assert not (config.parent / "conf.d").exists()
    assert not (config.parent / "bootstrap").exists()
    assert offline("-c", str(config), "join", str(founded)).code == 0
