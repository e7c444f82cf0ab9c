"""Makes a node on disk: configuration, keys, and the owner's certificate for it. What is there stays as it is.

A configuration that is not where the system keeps it gets state and socket beside it, so that a second node on a
machine, or one for trying things, cannot touch the first.
"""

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Final

from p2pfw.app.joining import fresh_certificate
from p2pfw.app.owning import CERTIFICATE_SETTING
from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.founding import Wishes
from p2pfw.cli.invocation import Invocation
from p2pfw.config import Config, Place, config_path, load, render_default
from p2pfw.config.charterfile import read_charter, render_charter
from p2pfw.core.identity import Certificate, NodeId, SigningKey
from p2pfw.errors import AlreadyRunningError, ConfigError
from p2pfw.rows import Setting
from p2pfw.store import directory
from p2pfw.store.database import database_path, reader
from p2pfw.store.keyfile import Purpose, new_seed, read_key, read_public, write_key
from p2pfw.store.lock import StateLock
from p2pfw.store.rows import SELECT_SETTINGS
from p2pfw.store.sqlite import SqliteStore

OWNER_KEY: Final = "owner.key"
_STATE: Final = "state"
_SOCKET: Final = "api.sock"


def found(invocation: Invocation, wishes: Wishes) -> Config:
    """The configuration of a node whose keys and certificate exist when this returns."""
    place = Place.here()
    main, _ = config_path(invocation.config, place)
    if wishes.charter is not None:
        _refuse_running(main)
        _keep_charter(invocation, main, wishes.charter)
    if not main.exists():
        _write_config(main, _settings(main, place, wishes))
        invocation.printer.say(f"wrote the configuration {main}")
    elif wishes.given:
        flags = ", ".join(wishes.given)
        hint = f"change it there, or leave out {flags}"
        raise CommandError(f"{main} exists already", code=Exit.USAGE, hint=hint)
    config = load(main)
    directory.prepare(config.node.state_dir)
    with StateLock.take(config.node.state_dir):
        made = _make_keys(config)
        if config.node.owner_key_file is not None and kept_certificate(config) is None:
            owner = read_key(config.node.owner_key_file, Purpose.OWNER)
            node = NodeId(read_public(config.node.key_file, Purpose.NODE))
            now = time.time()
            keep_certificate(config, fresh_certificate(owner, node, int(now), now))
    for path in made:
        invocation.printer.say(f"made {path}; keep it secret, and back it up with p2pfw backup")
    return config


def _refuse_running(main: Path) -> None:
    """A node that runs has its network already: nothing is written beside it."""
    if not main.exists() or not (state := load(main).node.state_dir).exists():
        return
    try:
        StateLock.take(state).release()
    except AlreadyRunningError as error:
        hint = "stop it first (systemctl stop p2pfw), join, and start it again"
        raise CommandError(str(error), code=Exit.NO, hint=hint) from None


def _keep_charter(invocation: Invocation, main: Path, file: Path) -> None:
    """The charter beside the configuration, and a file in conf.d that names it: yours stays as you wrote it."""
    signed = read_charter(file)
    kept = main.parent / "bootstrap" / f"{signed.charter.network_id.hex()[:16]}.toml"
    named = main.parent / "conf.d" / "charter.toml"
    if named.exists() and str(kept) not in named.read_text(encoding="utf-8"):
        raise CommandError(
            f"{named} names another charter", code=Exit.USAGE, hint="a node is in one network; remove it to change"
        )
    try:
        for folder in (kept.parent, named.parent):
            folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(render_charter(signed), encoding="utf-8")
        named.write_text(f'[discovery]\ncharter = "{kept}"\n', encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{kept}: cannot be written: {error.strerror}", code=Exit.PERMISSION) from None
    invocation.printer.say(f"kept the charter in {kept}, named in {named}")


def kept_certificate(config: Config) -> Certificate | None:
    """The certificate in the database; None where there is none, or no database."""
    path = database_path(config.node.state_dir)
    if not path.exists():
        return None
    with reader(path) as connection:
        settings = dict(connection.execute(SELECT_SETTINGS))
    kept = json.loads(settings.get(CERTIFICATE_SETTING, "null"))
    return Certificate.decode(bytes.fromhex(kept)) if isinstance(kept, str) else None


def keep_certificate(config: Config, certificate: Certificate) -> None:
    """Into the database; the caller holds the state's lock."""
    asyncio.run(_commit(config.node.state_dir, Setting(name=CERTIFICATE_SETTING, value=certificate.encode().hex())))
    for path in config.node.state_dir.iterdir():
        directory.own_like(path, config.node.state_dir)


async def _commit(state_dir: Path, setting: Setting) -> None:
    store = SqliteStore.open(state_dir)
    try:
        await store.commit(setting)
    finally:
        await store.close()


def _settings(main: Path, place: Place, wishes: Wishes) -> dict[str, object]:
    """Places are always written: the service's user would derive others than root, who runs init."""
    state_dir = place.state_dir if main == place.config_file else main.parent / _STATE
    state_dir = wishes.state_dir.absolute() if wishes.state_dir is not None else state_dir
    ours = main != place.config_file or state_dir != place.state_dir
    socket = state_dir / _SOCKET if ours else place.socket(state_dir)
    said: dict[str, object] = {"node.state_dir": str(state_dir), "api.socket": str(socket)}
    asked = {"node.name": wishes.name, "node.network": wishes.network, "listen.peer": wishes.listen}
    said |= {key: value for key, value in asked.items() if value is not None}
    if wishes.owner:
        said["node.owner_key_file"] = str(state_dir / OWNER_KEY)
    return said


def _write_config(main: Path, settings: dict[str, object]) -> None:
    """Whole, and only when it can be loaded."""
    try:
        main.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{main.name}.", dir=main.parent)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(render_default(settings))
            os.fchmod(file.fileno(), 0o644)
    except OSError as error:
        raise CommandError(f"{main}: cannot be written: {error.strerror}", code=Exit.PERMISSION) from None
    draft = Path(name)
    try:
        load(draft)
        draft.rename(main)
    except ConfigError as error:
        # What is wrong came from a flag or the environment: the draft's line would help nobody.
        raise ConfigError(error.problem, hint=error.hint, more=error.more) from None
    finally:
        draft.unlink(missing_ok=True)


def _make_keys(config: Config) -> list[Path]:
    wanted = [(config.node.key_file, Purpose.NODE)]
    if config.node.owner_key_file is not None:
        wanted.append((config.node.owner_key_file, Purpose.OWNER))
    made = []
    for path, purpose in wanted:
        if path.exists():
            read_public(path, purpose)
            continue
        write_key(path, new_seed(), purpose)
        directory.own_like(path, path.parent)
        made.append(path)
    return made


def owner_key(config: Config) -> SigningKey:
    """The owner's key; CommandError where it is not at hand."""
    path = config.node.owner_key_file
    if path is None:
        hint = "run this where it is, or set node.owner_key_file"
        raise CommandError("the owner's key is not on this node", code=Exit.NO, hint=hint)
    return read_key(path, Purpose.OWNER)
