"""Configuration files for tests: a place that is nobody's home, and a loader that takes text."""

from pathlib import Path
from textwrap import dedent

import pytest

from p2pfw.config import Config, Place, load
from p2pfw.core.idtext import encode_id
from p2pfw.errors import ConfigError

ID = encode_id(bytes(range(32)))
OTHER_ID = encode_id(bytes(32))


def place(directory: Path, *, root: bool = True, **environment: str) -> Place:
    """A process in `directory`, with this environment only."""
    return Place(
        root=root, home=directory / "home", directory=directory, host_name="host.example", environment=environment
    )


def loaded(directory: Path, text: str, *, flags: dict | None = None, **environment: str) -> Config:
    """The configuration that this text makes, as DIRECTORY/p2pfw.toml."""
    path = directory / "p2pfw.toml"
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return load(path, flags=flags, place=place(directory, **environment))


def problems(directory: Path, text: str, **options: object) -> list[tuple[str, str, str]]:
    """(where, problem, hint) of all that is wrong with this text; where without the directory."""
    with pytest.raises(ConfigError) as caught:
        loaded(directory, text, **options)
    found = (caught.value, *caught.value.more)
    return [(error.where.removeprefix(f"{directory}/"), error.problem, error.hint) for error in found]
