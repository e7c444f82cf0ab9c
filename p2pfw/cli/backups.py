"""backup, restore: keys and database in one file."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfw.cli.invocation import Invocation, Leaf

if TYPE_CHECKING:
    from p2pfw.store.archive import Manifest


@click.command(cls=Leaf)
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def backup(invocation: Invocation, file: Path) -> None:
    """Write keys and database to FILE, beside a running node or without one. Whoever has the file is the node."""
    from p2pfw.store.backup import backup as write

    manifest = write(invocation.load().node.state_dir, file, time.time())
    _show(invocation, manifest, "backup", f"written to {file}; it holds secret keys")


@click.command(cls=Leaf)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="In place of what is there, which is kept beside it.")
@click.option("--alone", is_flag=True, help="There is no peer from which to learn what this node said since.")
@click.pass_obj
def restore(invocation: Invocation, file: Path, force: bool, alone: bool) -> None:  # noqa: FBT001
    """Put a backup into the state directory, while no node runs."""
    from p2pfw.store.backup import restore as put

    state_dir = invocation.load().node.state_dir
    manifest = put(file, state_dir, time.time(), force=force, alone=alone)
    _show(invocation, manifest, "restore", f"restored into {state_dir}; start the node with p2pfw run")


def _show(invocation: Invocation, manifest: "Manifest", name: str, text: str) -> None:
    import json

    from p2pfw.core.times import rfc3339

    files = [content.name for content in manifest.files]
    body = json.dumps({"made": rfc3339(manifest.made), "version": manifest.version, "files": files}).encode()
    if not invocation.as_json(body, name):
        invocation.printer.line(f"{', '.join(files)} of {rfc3339(manifest.made)}")
        invocation.printer.say(text)
