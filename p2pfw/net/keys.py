"""Where the keys of sessions come from: the operating system's randomness, through libsodium. Never written down."""

from nacl.utils import random

from p2pfw.core.noise import KEY_BYTES, KeyPair


def fresh_pair() -> KeyPair:
    """A new key pair."""
    return KeyPair.of(random(KEY_BYTES))
