"""service: p2pfw under systemd. Writes a few files, makes the user, and takes all of it away again.

Where systemd does not run (a container, an image that is being built with --root), the files are written and the rest
is said. State and configuration are never removed unless --purge asks for it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Branch, Invocation

UNIT: Final = "etc/systemd/system/p2pfw.service"
ENFORCER_UNIT: Final = "etc/systemd/system/p2pfw-enforcer.service"
CONFIGURATION: Final = "/etc/p2pfw/p2pfw.toml"
_OTHERS: Final = {
    "etc/sysusers.d/p2pfw.conf": ('u p2pfw - "p2pfw node" /var/lib/p2pfw\nu p2pfw-enforcer - "p2pfw enforcer" /\n'),
    # iptables-legacy locks this file, and makes it unreadable for everybody but root where it is missing.
    "etc/tmpfiles.d/p2pfw.conf": "f /run/xtables.lock 0640 root p2pfw -\n",
    "etc/modules-load.d/p2pfw.conf": "ip_set\nip_set_hash_net\nxt_set\n",
}
_OWNED: Final = ("var/lib/p2pfw", "etc/p2pfw")
_BOOTED: Final = Path("/run/systemd/system")
_SECONDS: Final = 90
_ROOT: Final = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    metavar="DIR",
    help="Write below DIR (an image that is being built), and run nothing.",
)


def unit_files(program: str) -> Mapping[str, str]:
    """Path below the root → content."""
    folder = files("p2pfw.cli")
    units = {name: folder.joinpath(Path(name).name).read_text(encoding="utf-8") for name in (UNIT, ENFORCER_UNIT)}
    return {**{name: unit.replace("@PROGRAM@", program) for name, unit in units.items()}, **_OTHERS}


def program() -> str:
    """How systemd starts this very installation."""
    script = Path(sys.executable).parent / "p2pfw"
    return _escaped(str(script)) if script.exists() else f"{_escaped(sys.executable)} -m p2pfw"


def _escaped(path: str) -> str:
    doubled = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{doubled}"' if any(c.isspace() or c == '"' for c in path) else doubled


@click.group(cls=Branch)
def service() -> None:
    """p2pfw under systemd."""


@service.command("install")
@click.option("--print", "only_print", is_flag=True, help="Show the units, and change nothing.")
@_ROOT
@click.pass_obj
def install(invocation: Invocation, only_print: bool, root: Path) -> None:  # noqa: FBT001
    """Write the units of node and enforcer, make their users, and enable them. `systemctl start p2pfw` starts both."""
    found = unit_files(program())
    if only_print:
        invocation.printer.raw(f"{found[UNIT]}\n\n{found[ENFORCER_UNIT]}")
        return
    for name, content in found.items():
        _write(root / name, content)
        invocation.printer.line(f"wrote {root / name}")
    _run_systemd(invocation, root, INSTALLING)
    if not (root / CONFIGURATION.lstrip("/")).exists():
        invocation.printer.say(f"there is no {CONFIGURATION} yet: p2pfw init, or p2pfw join TOKEN")
    invocation.printer.say("start it with: systemctl start p2pfw")


@service.command("remove")
@click.option("--purge", is_flag=True, help="Also configuration, keys and database, for ever.")
@_ROOT
@click.pass_obj
def remove(invocation: Invocation, purge: bool, root: Path) -> None:  # noqa: FBT001
    """Stop it and take away what install wrote. The rules in the kernel: p2pfw uninstall-rules."""
    _run_systemd(invocation, root, REMOVING)
    for name in unit_files(""):
        if _unlink(root / name):
            invocation.printer.line(f"removed {root / name}")
    _run_systemd(invocation, root, REMOVED)
    if purge:
        for name in _OWNED:
            shutil.rmtree(root / name, ignore_errors=True)
            invocation.printer.line(f"removed {root / name}")
        _run_systemd(invocation, root, PURGED)
    else:
        kept = ", ".join(str(root / name) for name in _OWNED)
        invocation.printer.say(f"kept {kept}; p2pfw service remove --purge removes them too")


INSTALLING: Final = (
    ("systemd-sysusers", "/etc/sysusers.d/p2pfw.conf"),
    ("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/p2pfw.conf"),
    ("systemctl", "daemon-reload"),
    ("systemctl", "enable", "p2pfw-enforcer.service", "p2pfw.service"),
)
REMOVING: Final = (("systemctl", "disable", "--now", "p2pfw.service", "p2pfw-enforcer.service"),)
REMOVED: Final = (("systemctl", "daemon-reload"),)
PURGED: Final = (("userdel", "p2pfw-enforcer"), ("userdel", "p2pfw"))


def _run_systemd(invocation: Invocation, root: Path, commands: tuple[tuple[str, ...], ...]) -> None:
    """Run them, or say them where there is no systemd to hear."""
    if root != Path("/") or not _BOOTED.exists():
        for command in commands:
            invocation.printer.say(f"systemd does not run here; on the machine itself: {' '.join(command)}")
        return
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            invocation.printer.warn(f"{command[0]} did not work: {error}")
            continue
        if done.returncode != 0:
            invocation.printer.warn(f"{' '.join(command)}: {done.stderr.strip() or f'exit {done.returncode}'}")


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(content, encoding="utf-8")
        fresh.chmod(0o644)
        fresh.replace(path)
    except OSError as error:
        raise _denied(path, error) from None


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _denied(path, error) from None
    return True


def _denied(path: Path, error: OSError) -> CommandError:
    hint = "run it as root" if os.geteuid() != 0 else ""
    return CommandError(f"{path}: {error.strerror}", code=Exit.PERMISSION, hint=hint)
