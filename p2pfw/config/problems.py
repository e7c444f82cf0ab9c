"""What is wrong with a configuration, all of it: nobody wants to mend one line, start again, and hear of the next."""

from collections.abc import Iterable

from p2pfw.errors import ConfigError, InputError

_MOST = 50
"""A file of another program has a problem a line; more than a screen of them helps nobody."""


class Problems:
    """Collects errors; `check` raises them together."""

    def __init__(self) -> None:
        self._found: list[ConfigError] = []

    def add(self, problem: str, *, where: str = "", hint: str = "") -> None:
        """One more. `where`: "file:line", or the environment variable or flag it came from."""
        self._found.append(ConfigError(problem, where=where, hint=hint))

    def add_input(self, key: str, error: InputError, where: str) -> None:
        """A value that a parser refused."""
        self.add(f"{key}: {error.problem}", where=where, hint=error.hint)

    def add_error(self, error: ConfigError) -> None:
        """One that was raised elsewhere."""
        self._found.append(error)

    def check(self) -> None:
        """Raise what was found: the first, with the others in `more`."""
        if not self._found:
            return
        # In the order in which a reader of the files comes upon them.
        first, *others = sorted(self._found, key=_place)[:_MOST]
        more = (*others, *first.more)
        raise ConfigError(first.problem, where=first.where, hint=first.hint, more=more)


def _place(error: ConfigError) -> tuple[str, int]:
    file, _, line = error.where.rpartition(":")
    return (file, int(line)) if line.isdecimal() else (error.where, 0)


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for a name that is not known: the one that was probably meant, or all."""
    # Imported when something is wrong: start-up time.
    from difflib import get_close_matches  # noqa: PLC0415

    names = sorted(known)
    close = get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"
