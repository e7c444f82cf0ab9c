"""init, id, owner, join, config, backup, restore: what works without a node, on real files."""

import json
import stat

import pytest

from p2pfw import schema
from p2pfw.cli import join as join_command
from p2pfw.cli.making import kept_certificate
from p2pfw.config import Place, load
from p2pfw.core.identity import NodeId
from p2pfw.core.idtext import decode_id, encode_id
from p2pfw.core.token import Token
from p2pfw.store.keyfile import Purpose, read_key
from p2pfw.store.lock import StateLock
from tests.cli.samples import NODE, NOW


@pytest.fixture
def at_home(offline, tmp_path):
    """Commands with -c FILE in an empty directory."""
    file = tmp_path / "etc" / "p2pfw.toml"

    def call(*argv: str):
        return offline("-c", str(file), *argv)

    call.file = file
    return call


def test_init_makes_keys_certificate_and_configuration(at_home):
    """Prints the node's id alone; talk goes to stderr."""
    done = at_home("init", "--name", "web-1", "--network", "demo", "--listen", "192.0.2.1:7787")

    config = load(at_home.file)
    node = read_key(config.node.key_file, Purpose.NODE)
    owner = read_key(config.node.owner_key_file, Purpose.OWNER)
    certificate = kept_certificate(config)
    assert done.code == 0
    assert done.out == f"{encode_id(node.public_key)}\n"
    assert (config.node.name, config.node.network, str(config.listen.peer)) == ("web-1", "demo", "192.0.2.1:7787")
    assert (certificate.node, certificate.owner) == (node.public_key, owner.public_key)
    assert certificate.valid_at(NOW)
    certificate.check_signature()


def test_a_configuration_elsewhere_has_its_state_beside_it(at_home):
    """A second node on a machine cannot touch the first; nothing is open to others."""
    at_home("init")

    config = load(at_home.file)
    state = at_home.file.parent / "state"
    assert (config.node.state_dir, config.api.socket) == (state, state / "api.sock")
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}


def test_state_and_socket_of_the_systems_own_configuration_are_written_down(tmp_path):
    """root runs init, another user runs the service: what each would derive differs."""
    from p2pfw.cli.founding import Wishes
    from p2pfw.cli.making import _settings

    place = Place(root=True, home=tmp_path, directory=tmp_path)

    assert _settings(place.config_file, place, Wishes()) == {
        "node.state_dir": "/var/lib/p2pfw",
        "api.socket": "/run/p2pfw/api.sock",
        "node.owner_key_file": "/var/lib/p2pfw/owner.key",
    }


def test_init_again_changes_nothing(at_home):
    """The same keys, the same certificate, the same answer; options that could not be honoured are refused."""
    first = at_home("init", "--name", "a")
    before = {path: path.read_bytes() for path in at_home.file.parent.rglob("*.key")} | {
        at_home.file: at_home.file.read_bytes()
    }
    certificate = kept_certificate(load(at_home.file))

    assert at_home("init").out == first.out
    assert kept_certificate(load(at_home.file)) == certificate
    assert all(path.read_bytes() == content for path, content in before.items())
    refused = at_home("init", "--name", "b")
    assert refused.code == 2
    assert "exists already" in refused.err
    assert "--name" in refused.err


def test_init_without_an_owner_makes_none(at_home):
    """A node that is certified elsewhere."""
    at_home("init", "--no-owner")

    config = load(at_home.file)
    assert config.node.owner_key_file is None
    assert kept_certificate(config) is None


@pytest.mark.parametrize(
    "flag, value",
    [("--name", "no spaces"), ("--network", "NO"), ("--listen", "nowhere"), ("--listen", "1.2.3.4:99999")],
)
def test_init_with_a_value_that_cannot_be_used_leaves_nothing(at_home, flag, value):
    """Usage, and no half-made file that the next init would stumble over."""
    done = at_home("init", flag, value)

    assert done.code == 2
    assert not list(at_home.file.parent.iterdir())


def test_init_while_a_node_runs_waits_for_nobody(at_home):
    """The state is the running node's."""
    at_home("init")
    with StateLock.take(load(at_home.file).node.state_dir):
        done = at_home("init")

    assert done.code == 1
    assert "in use" in done.err


def test_id_shows_both_keys_for_every_reader(at_home):
    """Full ids on stdout, groups to be read aloud on stderr."""
    node_id = at_home("init").out.strip()

    done = at_home("id")
    found = json.loads(at_home("--json", "id").out)

    assert done.out.splitlines()[0] == node_id
    assert node_id[:8] + "-" + node_id[8:16] in done.err
    assert found == {"schema": "p2pfw.id/1", "node_id": node_id, "owner_id": done.out.splitlines()[1]}
    assert at_home("--plain", "id").out == f"{node_id}\t{found['owner_id']}\n"


def test_id_before_init_says_what_is_missing(at_home):
    """The file, and exit 2."""
    at_home("init")
    load(at_home.file).node.key_file.unlink()

    done = at_home("id")
    assert done.code == 2
    assert "node.key" in done.err


def test_owner_show_without_a_node_reads_the_disk(at_home):
    """Owner, where its key is, until when this node is certified."""
    at_home("init")

    done = at_home("owner", "show")

    assert done.code == 0
    assert "certificate  of this node, until 2026-05-01" in done.out
    assert json.loads(at_home("--json", "owner", "show").out)["holds_key"] is True
    assert at_home("--plain", "owner", "show").out.split("\t")[1] == "1"


def test_owner_show_of_a_node_without_an_owner_is_no(at_home):
    """Exit 1, with what to do."""
    at_home("init", "--no-owner")

    assert at_home("owner", "show").code == 1


def test_owner_certify_renews_this_node_with_a_newer_certificate(at_home):
    """Of two certificates the newer holds, also when both were made within a second."""
    at_home("init")
    config = load(at_home.file)
    before = kept_certificate(config)

    assert at_home("owner", "certify").code == 0

    after = kept_certificate(config)
    assert after.serial > before.serial
    assert after.not_before > before.not_before


def test_a_certificate_is_carried_to_another_node(offline, tmp_path):
    """Made where the owner's key is, used where the node is; refused anywhere else."""
    here, there = tmp_path / "here" / "p2pfw.toml", tmp_path / "there" / "p2pfw.toml"
    own = offline("-c", str(here), "init").out.strip()
    other = offline("-c", str(there), "init", "--no-owner").out.strip()

    certificate = offline("-c", str(here), "owner", "certify", other).out.strip()

    assert offline("-c", str(there), "owner", "certify", "--use", certificate).code == 0
    kept = kept_certificate(load(there))
    assert kept.node == decode_id(other)
    assert kept.owner == read_key(load(here).node.owner_key_file, Purpose.OWNER).public_key
    wrong = offline("-c", str(here), "owner", "certify", "--use", certificate)
    assert (wrong.code, "another node" in wrong.err) == (2, True)
    damaged = offline("-c", str(there), "owner", "certify", "--use", certificate[:-2])
    assert (damaged.code, "no certificate" in damaged.err) == (2, True)
    assert own != other


def test_owner_certify_needs_the_owners_key(at_home):
    """Which is elsewhere."""
    at_home("init", "--no-owner")

    done = at_home("owner", "certify", NODE)
    assert done.code == 1
    assert "owner's key is not on this node" in done.err


TOKEN = str(Token(key_hash=b"k" * 16, secret=b"s" * 16, network="demo", addresses=("ws://192.0.2.1:7787",)))


def test_join_on_a_new_machine_makes_everything_and_then_joins(at_home, monkeypatch):
    """Network from the token; the node's own code does the joining (its part is replaced here by what it returns)."""
    import p2pfw.node

    asked = []

    def joined(config, token, trust):
        asked.append((config.node.network, token, trust, config.node.key_file.exists()))
        text = "b is now in fleet a"
        return schema.JoinAnswer(fleet="a", nodes=2, guest=False, network="demo", mode="observe", text=text)

    monkeypatch.setattr(p2pfw.node, "join_offline", joined)

    done = at_home("join", TOKEN, "--trust", "solo", "--name", "b")

    assert (done.code, done.out) == (0, "b is now in fleet a\n")
    assert asked == [("demo", TOKEN, 0.9, True)]
    assert load(at_home.file).node.name == "b"


def test_join_with_a_configuration_that_is_new_asks_no_other_node(monkeypatch, tmp_path):
    """-c names a file that is not there yet: the node on the default socket is somebody else's."""
    from p2pfw.cli.invocation import Invocation

    assert join_command._is_new(Invocation(config=tmp_path / "none"))
    assert not join_command._is_new(Invocation())


@pytest.mark.parametrize("token, code", [("hello", 2), (TOKEN[:-9] + "*", 2)])
def test_join_with_a_damaged_line_makes_nothing(at_home, token, code):
    """No keys, no configuration."""
    assert at_home("join", token).code == code
    assert not at_home.file.parent.exists()


def test_backup_and_restore_bring_the_node_back(at_home, tmp_path):
    """Keys and database; into an empty directory, or by force."""
    at_home("init")
    config = load(at_home.file)
    key = config.node.key_file.read_bytes()
    file = tmp_path / "backup.tar"

    assert at_home("backup", str(file)).code == 0
    config.node.key_file.unlink()
    refused = at_home("restore", str(file))
    assert refused.code == 1
    assert "--force" in refused.err
    found = json.loads(at_home("--json", "restore", "--force", str(file)).out)

    assert found["schema"] == "p2pfw.restore/1"
    assert "node.key" in found["files"]
    assert config.node.key_file.read_bytes() == key
    assert kept_certificate(config).node == NodeId(read_key(config.node.key_file, Purpose.NODE).public_key)


def test_config_show_check_and_schema(at_home):
    """What holds and where it comes from."""
    at_home("init", "--name", "web-1")

    assert at_home("config", "check").code == 0
    assert f'node.name\t"web-1"\t{at_home.file}:7' in at_home("--plain", "config", "show").out
    assert "KEY" in at_home("config", "show").out
    assert json.loads(at_home("--json", "config", "show").out)["schema"] == "p2pfw.config/1"
    assert json.loads(at_home("--json", "config", "check").out)["files"] == [str(at_home.file)]
    assert json.loads(at_home("config", "schema").out)["title"] == "p2pfw configuration"


def test_a_broken_configuration_names_every_fault_with_its_line(at_home):
    """All of them at once, each with what was probably meant."""
    at_home.file.parent.mkdir()
    at_home.file.write_text('[node]\nnam = "x"\n[policy]\nallow = ["10.0.0.1/8"]\n')

    done = at_home("config", "check")

    assert done.code == 2
    assert f"p2pfw: {at_home.file}:2: unknown key 'nam' in [node] (did you mean name?)" in done.err
    assert f"p2pfw: {at_home.file}:4:" in done.err


def test_a_configuration_that_is_not_there_is_said(at_home):
    """For commands that ask the node too."""
    for command in (["status"], ["config", "check"], ["why", "203.0.113.9"]):
        assert at_home(*command).code == 2


def test_run_check_says_that_everything_can_be_used(at_home):
    """And touches nothing."""
    at_home("init")

    done = at_home("run", "--check")
    assert done.code == 0
    assert "can be used" in done.err
