"""Where this process runs, as far as the configuration depends on it: user, directories, environment, host name.

A value, so that loading is a function of its arguments; `here` is the only place that looks.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

CONFIG_VARIABLE: Final = "P2PFW_CONFIG"
DROP_INS: Final = "conf.d"

_ETC: Final = Path("/etc/p2pfw/p2pfw.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Root has the system's directories, everybody else those of the XDG specification."""

    root: bool
    home: Path
    directory: Path
    """The working directory: where relative paths of flags and environment begin."""
    host_name: str = "node"
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Self:
        """This process."""
        return cls(
            root=os.geteuid() == 0,
            home=Path(os.path.expanduser("~")),  # unlike Path.home, never raises
            directory=Path.cwd(),
            host_name=os.uname().nodename,
            environment=os.environ,
        )

    @property
    def config_file(self) -> Path:
        """Where the configuration is when nobody says."""
        return _ETC if self.root else self._xdg("XDG_CONFIG_HOME", ".config") / "p2pfw" / "p2pfw.toml"

    @property
    def state_dir(self) -> Path:
        """Where keys and database are when nobody says."""
        return Path("/var/lib/p2pfw") if self.root else self._xdg("XDG_STATE_HOME", ".local/state") / "p2pfw"

    def socket(self, state_dir: Path) -> Path:
        """Where the API's socket is when nobody says."""
        if self.root:
            return Path("/run/p2pfw/api.sock")
        runtime = self.environment.get("XDG_RUNTIME_DIR", "")
        return Path(runtime) / "p2pfw" / "api.sock" if runtime.startswith("/") else state_dir / "api.sock"

    def _xdg(self, variable: str, otherwise: str) -> Path:
        # The specification: relative paths in these variables are invalid and ignored.
        given = self.environment.get(variable, "")
        return Path(given) if given.startswith("/") else self.home / otherwise


def config_path(path: Path | None, place: Place) -> tuple[Path, bool]:
    """The main file, and whether somebody named it (it must exist then)."""
    named = path or (Path(variable) if (variable := place.environment.get(CONFIG_VARIABLE, "")) else None)
    return (place.directory / named, True) if named else (place.config_file, False)


def files_of(main: Path, *, named: bool) -> Iterator[Path]:
    """The main file where there is one, then the drop-ins beside it in the order of their names."""
    if named or _there(main):
        yield main
    yield from sorted(path for path in (main.parent / DROP_INS).glob("*.toml") if not path.name.startswith("."))


def _there(path: Path) -> bool:
    # A directory that may not be entered is not "no file": reading it will say so.
    try:
        return path.exists()
    except PermissionError:
        return True
