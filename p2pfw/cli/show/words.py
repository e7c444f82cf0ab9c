"""Words of the API in the words of people, and prefixes as they are typed."""

from typing import Final

VERDICTS: Final = {"ADOPT": "adopted", "HOLD": "held", "REFUSE": "refused", "UNKNOWN": "unknown"}
_REASONS: Final = {
    "ok": "enough independent voices",
    "operator": "this operator's own word",
    "fleet": "a node of this fleet says so",
    "feed": "a feed that this operator chose",
    "local": "seen on this machine",
    "needs-voices": "too few independent voices",
    "below-threshold": "too little trust in those who say so",
    "whitelist": "the whitelist",
    "protected": "it would cut this machine off",
    "private": "a private address",
    "too-wide": "too wide a prefix for whoever says so",
    "not-canonical": "not a canonical prefix",
    "limit": "whoever says so has used up its share",
    "density": "too many single hosts of one network by one voice",
}
_UNCOUNTED: Final = {
    "expired": "expired",
    "future": "dated in the future",
    "retracted": "retracted",
    "pardoned": "pardoned",
    "muted": "its origin is set aside for now",
    "voided": "its origin took it back, was revoked, or has no valid certificate",
    "feed-duplicate": "same feed as another",
    "same-owner": "same owner as another",
    "same-sponsor": "same sponsor as another",
    "not-carried": "its owner is not trusted at all",
    "watch": "its owner is only watched",
    "too-wide": "too wide a prefix for it",
}


def reason(word: str) -> str:
    """Of a verdict; a word that a newer node may send stays as it is."""
    return _REASONS.get(word, word)


def uncounted(word: str) -> str:
    """Of a statement that does not count."""
    return _UNCOUNTED.get(word, word)


def host(prefix: str) -> str:
    """Without the length where it is a single address."""
    address, _, length = prefix.partition("/")
    return address if length == ("128" if ":" in address else "32") else prefix
