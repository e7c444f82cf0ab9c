"""The example that users copy runs as it is."""

import asyncio
import subprocess
import sys
from pathlib import Path

from p2pfw import schema
from tests.web.serving import Served

EXAMPLE = Path(__file__).parents[2] / "contrib/python/follow.py"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, EXAMPLE, *arguments], capture_output=True, text=True, check=False)


async def test_it_tells_whose_word_a_block_rests_on(served: Served):
    """One line a new block, of what the node still knows."""
    await served.operations.block(schema.BlockRequest(prefix="203.0.113.9"), None)
    served.operations.ring += [
        schema.Event(id=1, time="2027-01-15T08:00:00Z", kind="block", prefix="203.0.113.9/32"),
        schema.Event(id=2, time="2027-01-15T08:00:00Z", kind="adopted", prefix="203.0.113.9/32"),
    ]
    done = await asyncio.to_thread(_run, str(served.settings.socket), "--once")

    assert done.stdout.startswith("203.0.113.9/32\toperator\t"), done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_it_says_that_no_node_is_there():
    """One line, exit status 1."""
    done = _run("/nowhere/api.sock", "--once")

    assert done.returncode == 1
    assert done.stderr.startswith("follow: no node answers on /nowhere/api.sock")
