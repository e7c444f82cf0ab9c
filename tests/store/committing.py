"""A process that commits and says so, for the tests that kill it, watch its system calls, or fill its disk.

python -m tests.store.committing STATE_DIR CALLERS     numbers are committed by CALLERS tasks at once; each number is
                                                      printed after its commit has returned
"""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from p2pfw.rows import Put
from p2pfw.store.sqlite import SqliteStore
from tests.store.rows import allow, put_announcement


async def main(state_dir: Path, callers: int) -> None:
    """Until killed."""
    store = SqliteStore.open(state_dir)
    numbers = count(1 + max((row.added for row in store.rows(_allow_row())), default=0))

    async def caller() -> None:
        for number in numbers:
            store.post(put_announcement(number))
            await store.commit(Put(row=allow(number)))
            os.write(1, b"%d\n" % number)

    os.write(1, b"0\n")
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())


def _allow_row() -> type:
    return type(allow(0))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
