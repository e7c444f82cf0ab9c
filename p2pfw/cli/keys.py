"""Opens key files for commands: with a passphrase where the file has one, asked at the terminal or from a variable."""

import os
import sys
from pathlib import Path

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.core.identity import SigningKey
from p2pfw.store.keyfile import Purpose, is_protected, read_key

PASSPHRASE = "P2PFW_PASSPHRASE"  # noqa: S105  # the variable's name
"""Where scripts put the passphrase."""


def open_key(path: Path, purpose: Purpose) -> SigningKey:
    """The key in a file. KeyFileError, CommandError."""
    if not is_protected(path, purpose):
        return read_key(path, purpose)
    return read_key(path, purpose, passphrase=passphrase_for(path))


def passphrase_for(path: Path, *, new: bool = False) -> str:
    """From the environment, else asked for; `new`: asked for twice."""
    given = os.environ.get(PASSPHRASE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        hint = f"run this at a terminal, or set {PASSPHRASE}"
        raise CommandError(f"{path} needs a passphrase", code=Exit.USAGE, hint=hint)
    text: str = click.prompt(f"Passphrase of {path}", hide_input=True, confirmation_prompt=new, err=True)
    return text
