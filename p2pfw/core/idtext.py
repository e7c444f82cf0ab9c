"""Ids as people see and type them: bech32m (BIP-350) with the prefix p2pfw, 64 characters.

The alphabet has no 1, b, i and o, and six check characters catch every error in up to four characters. Reading forgives
what people do to text (case, dashes, spaces, look-alike characters) and never a missing or extra character. The short
form is for showing only; nothing reads it back. Whether the bytes are a key is identity's business.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from p2pfw.errors import InputError

# Changing anything here changes every id that was ever written down.
HRP: Final = "p2pfw"
CHARSET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32M: Final = 0x2BC830A3
ID_CHARACTERS: Final = 64

_KEY_BYTES: Final = 32
_KEPT: Final = 4_096
"""Texts of keys that are kept at hand: `why` and lists show the same few again and again."""
_SHORT_CHARACTERS: Final = 16
_GROUP: Final = 8
_CHECK_CHARACTERS: Final = 6
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_VALUE: Final = {character: value for value, character in enumerate(CHARSET)}
# What is not in the alphabet is read as what it looks like; the check characters judge.
_LOOK_ALIKES: Final = str.maketrans({"1": "l", "i": "l", "I": "l", "o": "0", "O": "0", "b": "6", "B": "8"})
_PREFIX_AS_READ: Final = f"{HRP}l"
# Unicode categories that copying from mail, chat and web pages leaves in text: spaces, controls, soft hyphens, dashes.
_FORGIVEN: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Pd"})


@lru_cache(maxsize=_KEPT)
def encode_id(key: bytes) -> str:
    """The 64 characters of a 32-byte key: "p2pfw1" + 52 + 6 check characters, lower case."""
    if len(key) != _KEY_BYTES:
        raise InputError(f"an id has {_KEY_BYTES} bytes, not {len(key)}", field="id")
    # 32 bytes are 256 bits; 52 characters hold 260: four zero bits follow.
    number = int.from_bytes(key) << 4
    values = [number >> shift & 31 for shift in range(255, -1, -5)]
    return f"{HRP}1{''.join(CHARSET[value] for value in (*values, *checksum(HRP, values)))}"


def decode_id(text: str) -> bytes:
    """The 32 bytes of an id as typed or pasted. InputError says what is wrong with it."""
    plain = _as_read(text)
    if len(plain) != ID_CHARACTERS:
        raise InputError(
            f"an id has {ID_CHARACTERS} characters without dashes, this one has {len(plain)}",
            field="id",
            hint="the short form is for reading only" if len(plain) == _SHORT_CHARACTERS else "copy it whole",
        )
    if not plain.startswith(_PREFIX_AS_READ):
        raise InputError(f"{text.strip()[:16]!r}... is not an id", field="id", hint=f"an id begins with {HRP}1")
    values = _values(plain.removeprefix(_PREFIX_AS_READ))
    if polymod((*_expanded(HRP), *values)) != BECH32M:
        raise InputError("the check characters do not fit: a character is wrong", field="id", hint=_suspect(values))
    return _key_bytes(values[:-_CHECK_CHARACTERS])


def short_id(key: bytes) -> str:
    """The first 16 characters, for output where the reader already knows the id. Never accepted as input."""
    return encode_id(key)[:_SHORT_CHARACTERS]


def grouped_id(key: bytes) -> str:
    """The id in dashed groups of 8, for reading aloud and comparing."""
    text = encode_id(key)
    return "-".join(text[start : start + _GROUP] for start in range(0, ID_CHARACTERS, _GROUP))


def checksum(hrp: str, values: Iterable[int]) -> list[int]:
    """The six bech32m check values for data values 0..31 under a human-readable part (BIP-350)."""
    check = polymod((*_expanded(hrp), *values, 0, 0, 0, 0, 0, 0)) ^ BECH32M
    return [check >> shift & 31 for shift in range(25, -1, -5)]


def polymod(values: Iterable[int]) -> int:
    """The BCH code of BIP-173 over 5-bit values."""
    check = 1
    for value in values:
        check = _step(check, value)
    return check


def _step(check: int, value: int) -> int:
    top = check >> 25
    check = (check & 0x1FFFFFF) << 5 ^ value
    for bit, generator in enumerate(_GENERATORS):
        if top >> bit & 1:
            check ^= generator
    return check


def _expanded(hrp: str) -> list[int]:
    return [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]


def _as_read(text: str) -> str:
    """Without what people and programs put between the characters; look-alikes as what they look like."""
    kept = (c for c in text[: 4 * ID_CHARACTERS] if unicodedata.category(c) not in _FORGIVEN)
    return "".join(kept).translate(_LOOK_ALIKES).lower()


def _values(characters: str) -> list[int]:
    foreign = next((c for c in characters if c not in _VALUE), None)
    if foreign is not None:
        raise InputError(f"the character {foreign!r} is in no id", field="id")
    return [_VALUE[c] for c in characters]


def _key_bytes(values: list[int]) -> bytes:
    number = 0
    for value in values:
        number = number << 5 | value
    if number & 0xF:
        # protocol 7.4: a second spelling of the same key, which we would never have written.
        raise InputError("not an id that this program has written", field="id")
    return (number >> 4).to_bytes(_KEY_BYTES)


def _suspect(values: list[int]) -> str:
    """Where one wrong character would explain it: the group to look at. Never the correction (BIP-173)."""
    # The code is linear: an error e, k places before the end, leaves e shifted k times. Distance 5: at most one fits.
    syndrome = polymod((*_expanded(HRP), *values)) ^ BECH32M
    for error in range(1, 32):
        residue = error
        for place in reversed(range(len(values))):
            if residue == syndrome:
                return f"look at group {(place + len(_PREFIX_AS_READ)) // _GROUP + 1} of 8"
            residue = _step(residue, 0)
    return "compare it with the original, group by group"
