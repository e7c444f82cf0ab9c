"""Certificates of open doors: read again when they were renewed; a pair that does not fit changes nothing."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from p2pfw.errors import ConfigError
from p2pfw.web.tls import Certificate
from tests.web.serving import Served, serving


def made(folder: Path, *more: str) -> tuple[Path, Path]:
    """A new certificate for localhost, and its key."""
    folder.mkdir()
    files = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *(more or ["-nodes"]),
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", files[1], "-out", files[0]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def put(files: tuple[Path, Path], place: Path) -> dict[str, Path]:
    """Copy a pair to where the configuration says; the settings."""
    place.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, place)
    return {"tls_cert": place / "tls.crt", "tls_key": place / "tls.key"}


async def connect(served: Served, trusted: tuple[Path, Path]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As a client that trusts this one certificate; SSLError when it is shown another."""
    context = ssl.create_default_context(cafile=trusted[0])
    return await asyncio.open_connection("127.0.0.1", served.port, ssl=context, server_hostname="localhost")


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Ask something, and hang up."""
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200 ")


async def test_a_renewed_certificate_is_shown_to_who_comes_then(tmp_path: Path):
    """The door stays open meanwhile, and so do connections: one that was there before is answered as before."""
    old, new = made(tmp_path / "old"), made(tmp_path / "new")
    async with serving(tmp_path, **put(old, tmp_path / "conf")) as served:
        before = await connect(served, old)
        put(new, tmp_path / "conf")
        served.api.renew()
        assert await answered(*await connect(served, new))
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(served, old)
        assert await answered(*before)


@pytest.mark.parametrize("broken", ["gone", "nonsense", "another's key", "encrypted"])
async def test_a_pair_that_does_not_fit_changes_nothing(tmp_path: Path, broken: str):
    """Half of a renewal, as a copy in progress leaves it: an error that names the keys, and the old one serves on."""
    old, new = made(tmp_path / "old"), made(tmp_path / "new")
    async with serving(tmp_path, **put(old, tmp_path / "conf")) as served:
        match broken:
            case "gone":
                (tmp_path / "conf" / "tls.crt").unlink()
            case "nonsense":
                (tmp_path / "conf" / "tls.crt").write_text("nonsense")
            case "another's key":
                shutil.copy(new[0], tmp_path / "conf")
            case _:
                put(made(tmp_path / "encrypted", "-passout", "pass:secret"), tmp_path / "conf")
        with pytest.raises(ConfigError, match=r"api\.tls_cert and api\.tls_key cannot be used"):
            served.api.renew()

        assert await answered(*await connect(served, old))


async def test_a_door_without_a_certificate_has_nothing_to_renew(tmp_path: Path):
    """Plain HTTP goes on."""
    async with serving(tmp_path) as served:
        served.api.renew()
        assert (await served.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")).status == 403


def test_an_encrypted_key_asks_nobody(tmp_path: Path):
    """A service has no terminal, and a node that waits for one would stand still."""
    with pytest.raises(ConfigError, match="this pair cannot be used"):
        Certificate(*made(tmp_path / "encrypted", "-passout", "pass:secret"), "this pair")
