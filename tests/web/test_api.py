"""Opening and closing the doors."""

import asyncio
import json
import socket
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest
import uvloop

from p2pfw.config import Api as Settings
from p2pfw.config import Endpoint
from p2pfw.errors import AlreadyRunningError, ConfigError, ListenError
from p2pfw.web.api import Api
from tests.web.fake_operations import FakeOperations
from tests.web.serving import FixedClock, serving


def api_at(folder: Path, **settings: object) -> Api:
    """Not started."""
    chosen = Settings(**{"socket": folder / "api.sock", "http": None, **settings})
    return Api(FakeOperations(), chosen, FixedClock())


def left_in(folder: Path) -> list[Path]:
    """What was not cleaned up."""
    return list(folder.iterdir())


async def test_both_doors_are_open_and_named(tmp_path: Path):
    """The port that the system chose, not the 0 that was asked for."""
    async with serving(tmp_path) as served:
        path, address = served.api.addresses

    assert path == str(tmp_path / "api.sock")
    assert address.startswith("127.0.0.1:")
    assert not address.endswith(":0")
    assert served.api.addresses == []


async def test_ipv6_loopback_is_a_door_too(tmp_path: Path):
    """With its brackets in the address, and without a token."""
    async with serving(tmp_path, http=Endpoint("::1", 0)) as served:
        address = served.api.addresses[1]
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}/v1/status") as answer:
            assert answer.status == 200

    assert address.startswith("[::1]:")


async def test_http_can_be_off(tmp_path: Path):
    """The socket alone."""
    api = api_at(tmp_path)
    await api.start()

    assert api.addresses == [str(tmp_path / "api.sock")]
    await api.stop()


async def test_a_stop_leaves_nothing_behind(tmp_path: Path):
    """No socket, no lock, no listener; stopping twice is once."""
    api = api_at(tmp_path, http=Endpoint("127.0.0.1", 0))
    await api.start()
    port = int(api.addresses[1].rpartition(":")[2])
    await api.stop()
    await api.stop()

    assert left_in(tmp_path) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_second_node_is_told_whose_socket_it_is(tmp_path: Path):
    """And the first goes on."""
    async with serving(tmp_path) as served:
        with pytest.raises(AlreadyRunningError, match="another one answers on"):
            await api_at(tmp_path).start()
        async with served.client(socket=True) as session, session.get("/healthz") as answer:
            assert answer.status == 200


async def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path):
    """One door that cannot be opened closes the other: no half-open API."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port} \(api\.http\): another program .* choose"):
            await api_at(tmp_path, http=Endpoint("127.0.0.1", port)).start()

    assert left_in(tmp_path) == []


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-name.invalid"])
async def test_an_address_of_another_machine_is_named(tmp_path: Path, host: str):
    """The remedy is not another port."""
    with pytest.raises(ListenError, match="this machine has no such address"):
        await api_at(tmp_path, http=Endpoint(host, 1)).start()

    assert left_in(tmp_path) == []


async def test_a_request_that_runs_is_finished_before_the_stop(tmp_path: Path):
    """What was answered has left, and what was begun is answered."""
    async with serving(tmp_path) as served:
        served.operations.gate = asyncio.Event()
        async with served.client(socket=True) as session, session.post("/v1/import", data=b"192.0.2.1\n") as answer:
            first = await answer.content.readline()
            stopping = asyncio.create_task(served.api.stop())
            await asyncio.sleep(0)
            served.operations.gate.set()
            last = await answer.content.readline()
            await stopping

    assert [json.loads(line)["stage"] for line in (first, last)] == ["parsed", "recorded"]


def test_it_runs_on_uvloop_too(tmp_path: Path):
    """As the node does: both doors, peer credentials included."""

    async def scene() -> list[str]:
        headers = {"Authorization": "Bearer write-secret"}
        async with serving(tmp_path) as served:
            for door in (True, False):
                async with served.client(socket=door) as session:
                    answer = await session.post("/v1/blocks", json={"prefix": "192.0.2.1"}, headers=headers)
                    assert answer.status == 201
            return [caller.name.partition(":")[0] for caller in served.operations.callers]

    assert uvloop.run(scene()) == ["socket", "token"]


# --- TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """Folder with tls.crt and tls.key."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


async def test_with_a_certificate_it_is_https(tmp_path: Path, certificate: Path):
    """And plain HTTP gets no answer."""
    trust = ssl.create_default_context(cafile=certificate / "tls.crt")
    settings = {"tls_cert": certificate / "tls.crt", "tls_key": certificate / "tls.key"}
    async with serving(tmp_path, **settings) as served, aiohttp.ClientSession() as session:
        async with session.get(f"https://localhost:{served.port}/v1/status", ssl=trust) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{served.url}/v1/status")


@pytest.mark.parametrize("broken", ["missing", "nonsense", "swapped"])
async def test_a_certificate_that_cannot_be_used_is_an_error_of_the_configuration(tmp_path, certificate, broken: str):
    """Named by its keys; nothing is left open."""
    (tmp_path / "conf").mkdir()
    crt, key = tmp_path / "conf" / "crt", tmp_path / "conf" / "key"
    if broken != "missing":
        crt.write_bytes(b"nonsense" if broken == "nonsense" else (certificate / "tls.key").read_bytes())
        key.write_bytes((certificate / "tls.key").read_bytes())
    with pytest.raises(ConfigError, match=r"api\.tls_cert and api\.tls_key cannot be used"):
        await api_at(tmp_path / "run", http=Endpoint("127.0.0.1", 0), tls_cert=crt, tls_key=key).start()

    assert left_in(tmp_path / "run") == []
