"""A disk that is full, and freed again: nothing new is acknowledged, what is adopted goes on being dropped."""

import pytest

from tests.e2e.fleet import Owner, Server, until
from tests.netns import lab_or_skip
from tests.scale import trials

TRIALS = trials(3, 50)
SIZE = "4m"


@pytest.fixture
def cramped(tmp_path):
    """An enforcing node whose state directory is a small file system of its own."""
    tmp_path.chmod(0o700)
    with lab_or_skip() as lab:
        server = Server(lab.host("A"), tmp_path, Owner(tmp_path))
        script = 'cp -a "$1" "$1.kept" && mount -t tmpfs -o "size=$2,mode=0700" none "$1" && cp -a "$1.kept/." "$1"'
        server.host.run(["sh", "-ec", script, "sh", str(server.state), SIZE])
        try:
            server.start()
            yield server
        finally:
            server.close()


def fill(server):
    """Not a byte is left."""
    command = ["dd", "if=/dev/zero", f"of={server.state}/filler", "bs=4k"]
    assert server.host.run(command, check=False).returncode != 0


def refused(server, prefix, kept):
    """Whether this block was refused for want of room; noted as kept where it was acknowledged."""
    answer = server.api.request("POST", "/v1/blocks", {"prefix": prefix})
    if answer.status == 201:
        kept.append(prefix)
        return False
    assert (answer.status, "no room" in answer.json["detail"]) == (507, True), answer
    return True


def complains(server):
    """Whether status says that the disk does not work."""
    return "store" in {line["code"] for line in server.api.status()["health"]}


def test_a_full_disk_refuses_what_is_new_and_goes_on_enforcing(cramped):
    """507 with what to do, shown by status, over when there is room again; and nothing of it is lost by kill -9."""
    kept = []
    for trial in range(TRIALS):
        kept.append(f"56.{trial}.0.9")
        cramped.api.block(kept[-1], ttl="7d", wait=True)
        fill(cramped)
        # The database still has some pages of its own to write to; it may find more of them after a refusal.
        blocks = (f"56.{trial}.{n // 200}.{n % 200 + 10}" for n in range(10_000))
        until(lambda some=blocks: refused(cramped, next(some), kept) and complains(cramped))
        assert cramped.api.status()["enforcing"]
        assert all(cramped.api.why(prefix)["dropped"] for prefix in kept[-3:])

        cramped.host.run(["rm", f"{cramped.state}/filler"])
        until(lambda one=trial: cramped.api.request("POST", "/v1/blocks", {"prefix": f"56.{one}.99.9"}).status == 201)
        kept.append(f"56.{trial}.99.9")
        until(lambda: not complains(cramped))

    cramped.kill()
    cramped.forget_kernel()
    cramped.start()
    cramped.has(*kept)
