"""Bytes that have one spelling only: msgpack arrays that our own encoder would have produced, or nothing.

msgpack libraries accept non-minimal integers, duplicate map keys and floats for integers. A signed thing must not have
two spellings (two ids for one announcement), so what was decoded is encoded again and compared. Only flat arrays of
integers and byte strings pass: no text, no maps, no extensions, no nesting. What the numbers mean is the caller's.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgpack

from p2pfw.errors import MalformedError, NotCanonicalError

MAX_COUNTER: Final = (1 << 63) - 1
"""Largest epoch, seq, serial or basis: what a signed 64-bit column holds. Changing this breaks peers."""
MAX_TIME: Final = (1 << 40) - 1
"""Largest Unix second in any signed field (the year 36,812), so that sums of times stay far from 2^63."""


def pack(values: Sequence[int | bytes]) -> bytes:
    """The one encoding of a flat array."""
    packed: bytes = msgpack.packb(values, use_bin_type=True)
    return packed


def unpack(data: bytes, shape: tuple[type, ...], limit: int) -> list[Any]:
    """The values of a packed array whose elements have exactly the types of `shape` (int or bytes).

    MalformedError: longer than `limit` bytes, not such an array. NotCanonicalError: `pack` writes it otherwise.
    """
    if len(data) > limit:
        raise MalformedError(f"{len(data)} bytes where at most {limit} may be")
    values = _decode(data, len(shape))
    # bool is a subclass of int and 1.0 == 1, so the types of elements are compared, not tested with isinstance.
    if not isinstance(values, list) or tuple(map(type, values)) != shape:
        raise MalformedError("not the array of integers and byte strings that belongs here")
    if pack(values) != data:
        raise NotCanonicalError("decodes, but is not how it would be encoded")
    return values


def _decode(data: bytes, length: int) -> object:
    try:
        decoded: object = msgpack.unpackb(data, max_array_len=length, max_map_len=0, max_str_len=0, max_ext_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise MalformedError(f"not msgpack: {type(error).__name__}") from None
    return decoded
