"""What flows after the handshake: one sealed frame a message, in order, in each direction (protocol 2.5).

A message that does not open ends the session: nothing is skipped, retried or resynchronised, so that a replayed,
reordered, reflected or changed frame is never more than the end. What is in a frame, and that HELLO comes first, is
gossip's.
"""

from typing import Final

from p2pfw.core.noise import MAX_MESSAGE, TAG_BYTES, Cipher
from p2pfw.errors import FrameError

# Changing these breaks peers.
MAX_FRAME: Final = MAX_MESSAGE - TAG_BYTES
"""65,519 bytes of plaintext."""
REKEY_FRAMES: Final = 1_024
"""Each direction takes its next key after this many frames, counted on both sides."""


class Session:
    """The two ciphers of one finished handshake. Not for two tasks at once: order is what the counters check."""

    __slots__ = ("_receiving", "_sending", "ended", "id")

    def __init__(self, sending: Cipher, receiving: Cipher, transcript: bytes) -> None:
        self._sending, self._receiving = sending, receiving
        self.id = transcript
        """The transcript of the whole handshake: the same on both sides, unique to this session."""
        self.ended = False

    def seal(self, frame: bytes) -> bytes:
        """The message that carries `frame`. ValueError above MAX_FRAME, FrameError when the session has ended."""
        if len(frame) > MAX_FRAME:
            raise ValueError(f"a frame of {len(frame)} bytes; at most {MAX_FRAME} fit a message")
        self._check_open()
        sealed = self._sending.encrypt(frame)
        _count(self._sending)
        return sealed

    def open(self, message: bytes) -> bytes:
        """The frame that `message` carries, or FrameError; then the session has ended."""
        self._check_open()
        try:
            if len(message) > MAX_MESSAGE:
                raise FrameError(f"a message of {len(message)} bytes")
            frame = self._receiving.decrypt(message)
        except FrameError:
            self.ended = True
            raise
        _count(self._receiving)
        return frame

    def _check_open(self) -> None:
        if self.ended:
            raise FrameError("the session has ended")


def _count(cipher: Cipher) -> None:
    if cipher.counter % REKEY_FRAMES == 0:
        cipher.rekey()
