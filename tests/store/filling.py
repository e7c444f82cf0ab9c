"""A process in a mount namespace of its own that fills a tiny disk under a store, frees it, and prints what it saw.

    unshare --user --map-root-user --mount python -m tests.store.filling DIRECTORY

The report is one JSON object. The disk is a tmpfs of 1 MiB that only this process sees.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from p2pfw.errors import DiskFullError
from p2pfw.rows import AllowRow, Put
from p2pfw.store.sqlite import SqliteStore
from tests.store.rows import allow, put_announcement


async def main(directory: Path) -> dict[str, object]:
    """Fill, free, fill again: three rounds."""
    store = SqliteStore.open(directory / "state")
    kept: list[int] = []
    rounds = [await one_round(store, directory, kept, number) for number in range(3)]
    await store.close()
    again = SqliteStore.open(directory / "state")
    present = {row.added for row in again.rows(AllowRow)}
    await again.close()
    return {"rounds": rounds, "kept": len(kept), "lost": sorted(set(kept) - present)}


async def one_round(store: SqliteStore, directory: Path, kept: list[int], number: int) -> dict[str, object]:
    """Somebody else fills the disk; commits are refused; room comes back, and the store recovers by itself."""
    await keep(store, kept, 10)
    ballast = directory / "ballast"
    fill(ballast)
    refused = ""
    while not refused:
        try:
            await keep(store, kept, 1)
        except DiskFullError as error:
            refused = str(error)
    store.post(put_announcement(number, size=64))
    told = store.failing
    readable = len(store.rows(AllowRow))
    ballast.unlink()
    limit = time.monotonic() + 60
    # `failing` is the fact under test; there is no event beside it.
    while store.failing and time.monotonic() < limit:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    recovered = not store.failing
    await keep(store, kept, 10)
    posted = sum(1 for _ in store.announcements())
    return {"refused": refused, "told": told, "readable": readable, "recovered": recovered, "posted": posted}


async def keep(store: SqliteStore, kept: list[int], many: int) -> None:
    """Commit `many` rows one by one; what returns is acknowledged."""
    for _ in range(many):
        number = len(kept)
        await store.commit(Put(row=allow(number)))
        kept.append(number)


def fill(ballast: Path) -> None:
    """Until there is not one byte left."""
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


if __name__ == "__main__":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", sys.argv[1]], check=True)
    sys.stdout.write(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
