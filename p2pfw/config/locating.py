"""The little that a client command needs to find the node: its socket. Fast, and forgiving.

`p2pfw test` is called by detectors in a storm, so this reads two keys and checks nothing; a mistake elsewhere in the
configuration must not keep `p2pfw status` from saying so. Everything else loads the configuration properly.
"""

from pathlib import Path
from typing import Final

from p2pfw.config.place import Place, config_path, files_of

_VARIABLES: Final = {"socket": "P2PFW_API__SOCKET", "state_dir": "P2PFW_NODE__STATE_DIR"}


def socket_path(path: Path | None = None, place: Place | None = None) -> Path:
    """Where the node's API listens, as far as environment and readable files say; else where it does by default.

    `path` is the file that -c names. The same answer as `load(path).api.socket` wherever that gives one.
    """
    place = place or Place.here()
    main, named = config_path(path, place)
    found: dict[str, Path] = {}
    for file in files_of(main, named=named):
        document = _document(file)
        for section, key in (("api", "socket"), ("node", "state_dir")):
            table = document.get(section)
            text = table.get(key) if isinstance(table, dict) else None
            if isinstance(text, str) and text:
                found[key] = _anchored(text, file.absolute().parent, place)
    for key, variable in _VARIABLES.items():
        if text := place.environment.get(variable, ""):
            found[key] = _anchored(text, place.directory, place)
    return found.get("socket") or place.socket(found.get("state_dir", place.state_dir))


def _document(file: Path) -> dict[str, object]:
    # Imported here: without a file there is nothing to parse, and start-up time counts.
    import tomllib  # noqa: PLC0415

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def _anchored(text: str, base: Path, place: Place) -> Path:
    return place.home / text[2:] if text.startswith("~/") else base / text
