"""Memory of what was seen lately, of a fixed size: forgets the older half when it is full."""


class Recent:
    """A set of byte strings that holds the last `size` / 2 for certain and never more than `size`."""

    __slots__ = ("_half", "_new", "_old")

    def __init__(self, size: int) -> None:
        self._half = size // 2
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()

    def __contains__(self, item: bytes) -> bool:
        return item in self._new or item in self._old

    def __len__(self) -> int:
        return len(self._new | self._old)

    def add(self, item: bytes) -> None:
        """Remember this; may forget the older half."""
        if len(self._new) >= self._half:
            self.age()
        self._new.add(item)

    def age(self) -> None:
        """Forget what is older than the last time this was called."""
        self._old, self._new = self._new, set()

    def clear(self) -> None:
        """Forget all."""
        self._old, self._new = set(), set()
