"""A real Docker Engine on a host of the lab, with everything that it keeps in one temporary folder.

It runs in a process namespace of its own, so that ending it ends its containers, however the test ends. Spoken to by
its HTTP API: the command line client is a package of its own in newer releases.
"""

import contextlib
import http.client
import io
import json
import shutil
import signal
import socket
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from p2pfw.demo.lab import Host
from p2pfw.demo.namespaces import search_path
from tests.kernel.firewalls import until

NETWORK = "172.30.0.1/24"
GROUP = "p2pfw-test"
"""Parent of the containers' control groups; removed at the end."""
CGROUPS = Path("/sys/fs/cgroup")


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


@dataclass
class Engine:
    """The engine on `host`. `folder` is short: a socket's path has a limit."""

    host: Host
    folder: Path
    path: str
    """Where it finds iptables first."""
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Run it, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "s").unlink(missing_ok=True)
        (self.folder / "pid").unlink(missing_ok=True)
        command = [
            *("unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "dockerd"),
            *("--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"),
            *("--pidfile", f"{self.folder}/pid", "--host", f"unix://{self.folder}/s", "--bip", NETWORK),
            *("--storage-driver", "vfs", "--exec-opt", "native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{GROUP}"),
        ]
        with (self.folder / "log").open("ab") as log:
            environ = {"PATH": f"{self.path}:{search_path({})}"}
            self.process = self.host.popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT)
        until(self._answers)

    def publish(self, port: int) -> str:
        """Start a web server in a container, published on this port; the container's id."""
        self._call("POST", f"/images/create?fromSrc=-&repo=web&changes={quote('CMD x')}", _image())
        config = {
            "Image": "web",
            "Cmd": ["/bin/busybox", "httpd", "-f", "-p", "80"],
            "StopSignal": "SIGKILL",  # busybox as process 1 hears nothing else
            "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {
                "PortBindings": {"80/tcp": [{"HostPort": str(port)}]},
                "RestartPolicy": {"Name": "always"},
            },
        }
        made = json.loads(self._call("POST", "/containers/create?name=web", json.dumps(config).encode()))["Id"]
        self._call("POST", f"/containers/{made}/start")
        return made

    def runs(self) -> bool:
        """True when the container is up, as the engine says."""
        return any(one["State"] == "running" for one in json.loads(self._call("GET", "/containers/json")))

    def stop(self) -> None:
        """End the engine in order, and with it what runs in it."""
        if self.process is None:
            return
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:  # unshare's only child is the engine
            subprocess.run(["kill", f"-{int(signal.SIGTERM)}", child], check=False)
        self.process.wait(60)
        self.process = None

    def close(self) -> None:
        """End it and leave nothing."""
        if self.process is not None and self.process.poll() is None:
            if (self.folder / "s").exists():
                self._call("DELETE", "/containers/web?force=1", expect=(204, 404))
            self.stop()
        for group in sorted(CGROUPS.glob(f"*/{GROUP}/**/"), reverse=True):
            group.rmdir()
        for group in CGROUPS.glob(f"*/{GROUP}"):
            group.rmdir()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-3_000:]
        try:
            return bool(self._call("GET", "/_ping"))
        except OSError:
            return False

    def _call(self, method: str, path: str, body: bytes = b"", expect: tuple[int, ...] = (200, 201, 204)) -> bytes:
        kind = "application/x-tar" if path.startswith("/images") else "application/json"
        with contextlib.closing(_Connection(self.folder / "s")) as connection:
            connection.request(method, path, body=body, headers={"Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status in expect, f"{method} {path}: {answer.status} {text.decode()}"
        return text


def engine_or_skip(host: Host, folder: Path, path: str) -> Engine:
    """Skips (in CI: fails) where the engine, or a busybox that needs no libraries, is not installed."""
    for program, package in (("dockerd", "docker.io"), ("busybox", "busybox-static")):
        if shutil.which(program, path=search_path({})) is None:
            pytest.skip(f"{program} is not installed (Debian package {package})")
    return Engine(host, folder, path)


def _image() -> bytes:
    """A root file system with one program in it."""
    busybox = shutil.which("busybox", path=search_path({}))
    assert busybox
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(busybox, "bin/busybox", filter=lambda info: info)
    return packed.getvalue()
