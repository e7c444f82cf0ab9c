"""What waits to be sent to one peer: a queue a class, most urgent first, bounded together in bytes (protocol 6)."""

import asyncio
from collections import deque

from p2pfw.ports import SendClass


class SendQueue:
    """Filled by anybody without waiting, emptied by one writer."""

    __slots__ = ("_frames", "_limit", "_some", "bytes")

    def __init__(self, limit: int) -> None:
        self._frames: tuple[deque[bytes], ...] = tuple(deque() for _ in SendClass)
        self._limit = limit
        self._some = asyncio.Event()
        self.bytes = 0
        """Waiting now."""

    def push(self, frame: bytes, send_class: SendClass) -> bool:
        """False, and nothing is kept, when that is more than the limit."""
        if self.bytes + len(frame) > self._limit:
            return False
        self.bytes += len(frame)
        self._frames[send_class].append(frame)
        self._some.set()
        return True

    def pop(self) -> bytes | None:
        """The next frame, or None when nothing waits."""
        for frames in self._frames:
            if frames:
                frame = frames.popleft()
                self.bytes -= len(frame)
                return frame
        self._some.clear()
        return None

    async def wait(self) -> None:
        """Until something was pushed."""
        await self._some.wait()

    def keep_only(self, send_class: SendClass) -> None:
        """Forget what waits in the other classes: the session is about to end."""
        for other in SendClass:
            if other is not send_class:
                self._frames[other].clear()
        self.bytes = sum(map(len, self._frames[send_class]))
