"""The operator's whitelist as the configuration has it: its own entries, and those of the files that it names.

A file that was named and is not there is an error: a whitelist that is silently empty locks people out. A pattern that
matches nothing is an empty directory, and fine.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Final

from p2pfw.config.checks import Places
from p2pfw.config.model import Config
from p2pfw.config.problems import Problems
from p2pfw.core.prefix import Prefix, PrefixKey
from p2pfw.errors import InputError

MAX_FILE: Final = 16 * 1024 * 1024
"""Bytes; half a million lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """One whitelist entry of the operator's files. `source` is "file:line" or where policy.allow stands."""

    key: PrefixKey
    comment: str
    source: str


def read_allow(config: Config) -> tuple[Allowed, ...]:
    """policy.allow and all lines of policy.allow_files, read now. ConfigError tells every bad line."""
    problems, places = Problems(), Places(config)
    where = places.of("policy.allow") or "configuration"
    found = [Allowed(key=key, comment="", source=where) for key in config.policy.allow]
    for pattern in config.policy.allow_files:
        for path in _matches(pattern, places.of("policy.allow_files"), problems):
            found += _lines(path, problems)
    problems.check()
    return tuple(found)


def _matches(pattern: str, where: str, problems: Problems) -> list[Path]:
    if has_magic(pattern):
        return [Path(name) for name in sorted(glob(pattern, recursive=True)) if not Path(name).is_dir()]
    if not Path(pattern).exists():
        problems.add(f"policy.allow_files: {pattern} does not exist", where=where, hint="make it, even if it is empty")
        return []
    return [Path(pattern)]


def _lines(path: Path, problems: Problems) -> Iterator[Allowed]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        problems.add(f"cannot be read: {os.strerror(error.errno or 0)}", where=str(path))
        return
    if len(data) > MAX_FILE:
        problems.add("is larger than 16 MiB", where=str(path))
        return
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        text, _, comment = line.partition("#")
        if not text.strip():
            continue
        try:
            key = Prefix.parse(text).key
        except InputError as error:
            problems.add(error.problem, where=f"{path}:{number}", hint=error.hint)
            continue
        yield Allowed(key=key, comment=comment.strip()[:256], source=f"{path}:{number}")
