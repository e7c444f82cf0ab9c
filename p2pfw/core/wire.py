"""Frames to bytes and back (protocol 3): one msgpack array a frame, and one spelling only.

Every frame is `[kind, field, ...]` with the fields of its class in order; lists of ids and keys travel joined into one
byte string. Decoding is bounded before it allocates, takes exact types only, and refuses whatever does not encode to
itself again. A kind that is not known is no error: a newer node must be able to talk to an older one. The frames
themselves, with all limits on their fields, are in frames, joinframes and rangeframes; import them from here.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar, get_args

import msgpack

from p2pfw.core.frames import (
    ID_BYTES,
    Bye,
    ByeCode,
    Carry,
    CarryForm,
    Choke,
    Hello,
    Ihave,
    Miss,
    Peers,
    Ping,
    Pong,
    Push,
    Pushed,
    Refuse,
    RefuseCode,
    RefuseScope,
    Run,
    Since,
    Unchoke,
    UnknownFrame,
    Want,
)
from p2pfw.core.identity import KEY_BYTES
from p2pfw.core.joinframes import JoinAnswer, JoinNode, JoinRefusal, JoinRequest
from p2pfw.core.rangeframes import DoneCode, Range, RangeMode, RDone, RMsg, ROpen, Scope
from p2pfw.errors import FrameError

__all__ = [
    "MAX_FRAME", "VERSION", "decode_frame", "encode_frame",
    "Frame", "UnknownFrame",
    "Hello", "Ping", "Pong", "Choke", "Unchoke", "Push", "Pushed", "Ihave", "Want", "Miss", "Run",
    "Refuse", "RefuseCode", "RefuseScope", "Carry", "CarryForm",
    "JoinRequest", "JoinAnswer", "JoinRefusal", "JoinNode",
    "Since", "ROpen", "RMsg", "RDone", "DoneCode", "Range", "RangeMode", "Scope",
    "Peers", "Bye", "ByeCode",
]  # fmt: skip

Frame = (
    Hello | Ping | Pong | Choke | Unchoke | Push | Ihave | Want | Miss | Refuse | Carry
    | JoinRequest | JoinAnswer | JoinRefusal | Since | ROpen | RMsg | RDone | Peers | Bye
)  # fmt: skip
"""Every kind that this version knows."""

VERSION: Final = 1
"""The protocol version that this node speaks."""
MAX_FRAME: Final = 65_519
"""Plaintext bytes: a websocket message of 65,535 less the authentication tag. Changing this breaks peers."""

_LIMITS: Final = {
    "max_array_len": 4_096,
    "max_bin_len": MAX_FRAME,
    "max_str_len": 1_024,
    "max_map_len": 0,
    "max_ext_len": 0,
}
_JOIN: Final = JoinRequest.KIND

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Form:
    """How one field of a frame travels; plain values travel as they are."""

    to_wire: Callable[[Any], Any]
    from_wire: Callable[[Any], Any]


def _array(value: Any) -> list[Any]:
    if type(value) is not list:
        raise FrameError("not an array")
    return value


def _joined(size: int) -> _Form:
    def split(value: Any) -> tuple[bytes, ...]:
        if type(value) is not bytes or len(value) % size:
            raise FrameError("ids or keys of another length")
        return tuple(value[at : at + size] for at in range(0, len(value), size))

    return _Form(b"".join, split)


def _parts(part: type) -> _Form:
    return _Form(lambda values: [_values(value) for value in values], lambda value: _build_all(part, value))


_LIST: Final = _Form(list, lambda value: tuple(_array(value)))
_IDS: Final = _joined(ID_BYTES)
_KEYS: Final = _joined(KEY_BYTES)
_FORMS: Final[dict[tuple[type, str], _Form]] = {
    (Hello, "versions"): _LIST,
    (Push, "items"): _parts(Pushed),
    (Ihave, "ids"): _IDS,
    (Want, "ids"): _IDS,
    (Want, "runs"): _parts(Run),
    (Miss, "ids"): _IDS,
    (Miss, "runs"): _parts(Run),
    (Carry, "added"): _KEYS,
    (Carry, "removed"): _KEYS,
    (JoinNode, "addresses"): _LIST,
    (JoinRequest, "addresses"): _LIST,
    (JoinAnswer, "nodes"): _parts(JoinNode),
    (ROpen, "owners"): _KEYS,
    (ROpen, "ranges"): _parts(Range),
    (RMsg, "ranges"): _parts(Range),
    (Peers, "records"): _LIST,
}


def _shape(frame: type) -> tuple[tuple[str, _Form | None], ...]:
    return tuple((field.name, _FORMS.get((frame, field.name))) for field in fields(frame))


_FRAMES: Final[tuple[type, ...]] = get_args(Frame)
_SHAPES: Final = {frame: _shape(frame) for frame in (*_FRAMES, Pushed, Run, JoinNode, Range)}
_KINDS: Final = {(frame.KIND, getattr(frame, "FORM", None)): frame for frame in _FRAMES}  # type: ignore[attr-defined]


def encode_frame(frame: Frame) -> bytes:
    """The one encoding of a frame. FrameError: longer than a frame may be."""
    form = [frame.FORM] if isinstance(frame, JoinRequest | JoinAnswer | JoinRefusal) else []
    data: bytes = msgpack.packb([frame.KIND, *form, *_values(frame)], use_bin_type=True)
    if len(data) > MAX_FRAME:
        raise FrameError(f"a frame of {len(data)} bytes")
    return data


def decode_frame(data: bytes) -> Frame | UnknownFrame:
    """The frame that these bytes are. FrameError: malformed, over a limit, or not how we would encode it."""
    if len(data) > MAX_FRAME:
        raise FrameError(f"a frame of {len(data)} bytes")
    kind, form, values = _split(_unpack(data))
    frame = _KINDS.get((kind, form))
    if frame is None:
        return UnknownFrame(kind=kind, size=len(data))
    built: Frame = _build(frame, values)
    if encode_frame(built) != data:
        raise FrameError("decodes, but is not how it would be encoded")
    return built


def _unpack(data: bytes) -> list[Any]:
    try:
        values = msgpack.unpackb(data, **_LIMITS)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise FrameError(f"not msgpack: {type(error).__name__}") from None
    return _array(values)


def _split(values: list[Any]) -> tuple[int, int | None, list[Any]]:
    if not values or type(values[0]) is not int or values[0] < 0:
        raise FrameError("no kind")
    if values[0] != _JOIN:
        return values[0], None, values[1:]
    if len(values) < 2 or type(values[1]) is not int:
        raise FrameError("JOIN without a form")
    return _JOIN, values[1], values[2:]


def _values(value: Any) -> list[Any]:
    plain = ((getattr(value, name), form) for name, form in _SHAPES[type(value)])
    return [form.to_wire(item) if form else item for item, form in plain]


def _build(frame: type[T], values: list[Any]) -> T:
    shape = _SHAPES[frame]
    if len(values) != len(shape):
        raise FrameError(f"{len(values)} fields in {frame.__name__}, which has {len(shape)}")
    named = zip(shape, values, strict=True)
    return frame(**{name: form.from_wire(value) if form else value for (name, form), value in named})


def _build_all(part: type[T], value: Any) -> tuple[T, ...]:
    return tuple(_build(part, _array(item)) for item in _array(value))
