"""A backup brings a node back; what it said since, it learns from its peers before it speaks again."""

from tests.e2e.fleet import until

BEFORE, SINCE, AFTER = "59.1.1.1", "59.1.1.2", "59.1.1.3"


def test_a_restored_node_relearns_before_it_speaks(fleet, tmp_path):
    """What was blocked after the backup comes back from the fleet, and new blocks are believed by all."""
    a, file = fleet.a, tmp_path / "backup"
    a.api.block(BEFORE, ttl="7d")
    a.cli("backup", str(file))
    a.api.block(SINCE, ttl="7d")
    fleet.b.has(BEFORE, SINCE)
    a.kill()
    a.forget_kernel()
    a.cli("restore", "--force", str(file))
    a.start()
    a.has(BEFORE, SINCE)
    until(lambda: "silent" not in [line["code"] for line in a.api.status()["health"]])

    a.api.block(AFTER)
    fleet.b.has(BEFORE, SINCE, AFTER)
    fleet.c.has(BEFORE, SINCE, AFTER)
    assert fleet.b.api.status()["refusals"] == {}


def test_a_restored_node_alone_says_that_it_is_silent(lone, tmp_path):
    """Without a peer it blocks for itself, says why it announces nothing, and `--alone` is the way out."""
    file = tmp_path / "backup"
    lone.mode = "enforce"
    lone.start()
    lone.api.block(BEFORE, ttl="7d")
    lone.cli("backup", str(file))
    lone.kill()
    lone.cli("restore", "--force", str(file))
    lone.start()
    lone.has(BEFORE)
    assert lone.api.block(AFTER)["announcement"] == ""
    lone.has(AFTER)
    health = {line["code"]: line for line in lone.api.status()["health"]}
    assert "--alone" in health["silent"]["remedy"]
    lone.stop()

    lone.cli("restore", "--force", "--alone", str(file))
    lone.start()
    assert lone.api.block(SINCE)["announcement"]
