"""p2pfw.feeds.web against a real server: what is asked, what is taken, and where reading stops."""

import asyncio
import gzip
import os
import ssl

import pytest
from aiohttp import web

from p2pfw.errors import FeedError
from p2pfw.feeds.source import FeedReader
from p2pfw.feeds.web import Patience
from p2pfw.ports import FeedPlace, Fetched, NotModified
from p2pfw.store.certificates import Subject, make_authority, make_server
from tests.feeds.server import publishing

LIST = b"# drop\n203.0.113.0/24\n"
AGENT = "p2pfw/0.1.0 (+web-1)"
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
QUICK = Patience(connect=5.0, silence=0.2, whole=20.0)
MOST = 100_000


@pytest.fixture
async def publisher():
    """A publisher on loopback."""
    async with publishing() as made:
        yield made


def place(url, **more):
    """Where to fetch."""
    return FeedPlace(url=url, **{"max_bytes": MOST, **more})


async def fetch(url, patience=None, **more):
    """One attempt."""
    return await FeedReader(AGENT, patience).fetch(place(url, **more))


async def test_content_comes_with_its_validators_and_date(publisher):
    """What the next request needs, and how old the list is by its own date."""
    url = publisher.says("/list", LIST, ETag='"v1"', Last_Modified=DATE)

    assert await fetch(url) == Fetched(data=LIST, etag='"v1"', modified=DATE, date=784111777)


async def test_a_list_without_validators_has_none(publisher):
    """No date is 0, never the server's clock: that says nothing about the list."""
    assert await fetch(publisher.says("/list", LIST)) == Fetched(data=LIST, etag="", modified="", date=0)


async def test_the_request_is_honest_and_has_no_cookies(publisher):
    """Publishers see who asks; nothing that they set comes back to them."""
    url = publisher.says("/list", LIST, Set_Cookie="track=1")
    await fetch(url)
    await fetch(url)

    assert {request.headers["User-Agent"] for request in publisher.seen} == {AGENT}
    assert all("Cookie" not in request.headers for request in publisher.seen)
    assert all("If-None-Match" not in request.headers for request in publisher.seen)


async def test_an_unchanged_list_is_not_sent_again(publisher):
    """Both validators are sent, and 304 is an answer of its own."""
    url = publisher.says("/list", status=304)

    assert await fetch(url, etag='"v1"', modified=DATE) == NotModified()
    (request,) = publisher.seen
    assert (request.headers["If-None-Match"], request.headers["If-Modified-Since"]) == ('"v1"', DATE)


async def test_304_that_nobody_asked_for_is_an_error(publisher):
    """Without validators there is nothing that could be unchanged."""
    with pytest.raises(FeedError, match="HTTP 304"):
        await fetch(publisher.says("/list", status=304))


@pytest.mark.parametrize("status", [204, 206, 401, 403, 404, 410, 500, 502])
async def test_only_200_is_a_list(publisher, status):
    """A part, a login page's status or an error is named and not read."""
    with pytest.raises(FeedError, match=f"HTTP {status}") as caught:
        await fetch(publisher.says("/list", LIST if status != 204 else b"", status=status))
    assert caught.value.retry_after == 0


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "3600", 3600),
        (503, "120", 120),
        (429, "99999999", 86_400),
        (429, "999999999999999999", 0),
        (429, "-5", 0),
        (429, DATE, 0),
        (500, "60", 0),
    ],
)
async def test_a_publisher_may_ask_for_time(publisher, status, header, seconds):
    """Retry-After in seconds with 429 and 503, a day at most; anything else is our own patience."""
    with pytest.raises(FeedError) as caught:
        await fetch(publisher.says("/list", status=status, Retry_After=header))
    assert caught.value.retry_after == seconds


# --- bounds ------------------------------------------------------------------------------------------------------


async def test_exactly_the_limit_is_read(publisher):
    """The bound is for more than max_bytes."""
    assert len((await fetch(publisher.says("/list", b"1" * MOST))).data) == MOST


async def test_a_longer_list_is_not_even_begun(publisher):
    """Content-Length says it before the first byte."""
    with pytest.raises(FeedError, match="more than 100000 bytes") as caught:
        await fetch(publisher.says("/list", b"1" * (MOST + 1)))
    assert "max_bytes" in caught.value.hint


async def test_reading_stops_when_an_endless_list_goes_over_the_limit(publisher):
    """Without a length: the server never gets to send what it has."""
    sent = 0

    async def answer(request):
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(b"203.0.113.1\n" * 1_000)
            sent += 12_000
        return response

    publisher.answers["/list"] = answer
    with pytest.raises(FeedError, match="more than 100000 bytes"):
        await fetch(publisher.url("/list"))
    assert sent < 50_000_000


async def test_gzip_is_unpacked_within_the_same_bound(publisher):
    """Asked for, and unpacked by us."""
    url = publisher.says("/list", gzip.compress(LIST), Content_Encoding="gzip")

    assert (await fetch(url)).data == LIST
    assert publisher.seen[0].headers["Accept-Encoding"] == "gzip"


async def test_a_gzipped_file_is_a_list_too(publisher):
    """`list.txt.gz` without any Content-Encoding."""
    url = publisher.says("/list.txt.gz", gzip.compress(LIST), Content_Type="application/gzip")

    assert (await fetch(url)).data == LIST


async def test_a_gzip_bomb_does_not_go_off(publisher):
    """Ten megabytes of zeros in ten kilobytes: refused at the bound, not at the end."""
    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) < MOST

    with pytest.raises(FeedError, match="unpacks to more than 100000 bytes"):
        await fetch(publisher.says("/list", bomb, Content_Encoding="gzip"))


async def test_an_encoding_that_was_not_asked_for_is_refused(publisher):
    """Bytes that we cannot read are no list."""
    with pytest.raises(FeedError, match="encoded as 'br'"):
        await fetch(publisher.says("/list", LIST, Content_Encoding="br"))


async def test_a_long_validator_is_not_kept(publisher):
    """What is sent back with every request has a bound as well."""
    assert (await fetch(publisher.says("/list", LIST, ETag=f'"{"x" * 600}"'))).etag == ""


# --- connections that end badly ------------------------------------------------------------------------------------


async def test_a_truncated_list_is_no_list(publisher):
    """Fewer bytes than announced: half a list would unblock the other half."""

    async def answer(request):
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(LIST)
        request.transport.close()
        return response

    publisher.answers["/list"] = answer
    with pytest.raises(FeedError, match="broke before the end"):
        await fetch(publisher.url("/list"))


async def test_a_truncated_stream_is_no_list(publisher):
    """Chunks without their end."""

    async def answer(request):
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(LIST)
        request.transport.close()
        return response

    publisher.answers["/list"] = answer
    with pytest.raises(FeedError, match="broke before the end"):
        await fetch(publisher.url("/list"))


async def test_a_server_that_falls_silent_is_left(publisher):
    """No bytes for a while, and the attempt is over: whatever came is thrown away."""
    released = asyncio.Event()

    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(LIST)
        await released.wait()
        return response

    publisher.answers["/list"] = answer
    with pytest.raises(FeedError, match="too long"):
        await fetch(publisher.url("/list"), QUICK)
    released.set()


async def test_a_server_that_drips_is_left(publisher):
    """A byte now and then is no silence; the whole has its own bound."""
    released = asyncio.Event()

    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while not released.is_set():
            await response.write(b"#")
            await asyncio.sleep(0.01)
        return response

    publisher.answers["/list"] = answer
    with pytest.raises(FeedError, match="too long"):
        await fetch(publisher.url("/list"), Patience(connect=5.0, silence=60.0, whole=0.5))
    released.set()


async def test_nobody_listens(unused_tcp_port):
    """The refusal is in words."""
    with pytest.raises(FeedError, match="cannot connect"):
        await fetch(f"http://127.0.0.1:{unused_tcp_port}/list")


async def test_what_speaks_no_http_is_named():
    """An SSH server's greeting, for instance. The error does not repeat the key that the URL holds."""

    async def greet(_, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(FeedError, match=r"no proper answer: Bad status line$") as caught:
            await fetch(f"http://127.0.0.1:{port}/list?key=hush")
    assert "hush" not in str(caught.value)


async def test_plain_http_is_not_taken_for_https(publisher):
    """TLS that cannot be spoken is an error, never a reason to go without."""
    with pytest.raises(FeedError, match=r"no TLS with 127\.0\.0\.1: wrong version number"):
        await fetch(publisher.says("/list", LIST).replace("http://", "https://"))


# --- redirects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(publisher, status):
    """To where the list is, with the same honest request."""
    publisher.says("/new/list", LIST)
    url = publisher.says("/list", status=status, Location="new/list")

    assert (await fetch(url)).data == LIST
    assert [request.path for request in publisher.seen] == ["/list", "/new/list"]


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://lists.example.net/list",
        "data:text/plain,203.0.113.1",
        "//:80/",
        "http://[::1/list",
        "",
    ],
)
async def test_redirects_lead_nowhere_but_to_http(publisher, target):
    """Not to a file of this machine, whatever the publisher says."""
    with pytest.raises(FeedError, match="which is not followed"):
        await fetch(publisher.says("/list", status=302, Location=target))
    assert len(publisher.seen) == 1


async def test_redirects_go_round_only_so_often(publisher):
    """A loop ends."""
    with pytest.raises(FeedError, match="more than 5 redirects"):
        await fetch(publisher.says("/list", status=302, Location="/list"))
    assert len(publisher.seen) == 6


def test_redirects_never_lose_tls():
    """From https to http anybody on the way could write the list; the other way round is welcome."""
    from yarl import URL

    from p2pfw.feeds.web import _next

    with pytest.raises(FeedError, match="anybody on the way could change"):
        _next(URL("https://lists.example.net/list"), "http://lists.example.net/list")
    assert _next(URL("http://lists.example.net/list"), "https://lists.example.net/x").scheme == "https"


def test_redirects_with_a_password_are_not_followed():
    """A publisher has no business to make us log in somewhere."""
    from yarl import URL

    from p2pfw.feeds.web import _next

    with pytest.raises(FeedError, match="which is not followed"):
        _next(URL("https://lists.example.net/list"), "https://user:pass@intern.example.net/")


@pytest.mark.parametrize(
    "target", ["ftp://e.org/list?key=hush", "http://e.org/list?key=hush", "https://me:hush@e.org/"]
)
def test_a_redirect_that_is_refused_is_told_without_its_key(target):
    """Publishers send on to the same query, and what is refused stands in the log."""
    from yarl import URL

    from p2pfw.feeds.web import _next

    with pytest.raises(FeedError, match=r"e\.org") as caught:
        _next(URL("https://lists.example.net/list?key=hush"), target)
    assert "hush" not in str(caught.value)


# --- keys --------------------------------------------------------------------------------------------------------


async def test_the_key_goes_to_the_host_that_was_named_and_no_further(publisher, tmp_path):
    """In its header, also to another path there; a redirect to another host is followed without it."""
    (tmp_path / "key").write_text("s3cret\n")
    async with publishing() as other:
        elsewhere = other.says("/list", LIST)
        publisher.says("/new", status=302, Location=elsewhere)
        url = publisher.says("/list", status=302, Location="/new")
        found = await fetch(url, key_file=tmp_path / "key", key_header="X-Api-Key")

    assert found.data == LIST
    assert [request.headers.get("X-Api-Key") for request in publisher.seen] == ["s3cret", "s3cret"]
    assert "X-Api-Key" not in other.seen[0].headers


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb", b"\xff", b"x" * 513])
async def test_a_key_file_without_a_key_is_named(publisher, tmp_path, content):
    """Nothing is asked then."""
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(FeedError, match="holds no API key"):
        await fetch(publisher.says("/list", LIST), key_file=tmp_path / "key", key_header="Key")
    with pytest.raises(FeedError, match="No such file"):
        await fetch(publisher.says("/list", LIST), key_file=tmp_path / "none", key_header="Key")
    assert publisher.seen == []


# --- HTTPS -------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path):
    """A private authority, as `p2pfw cert ca` makes it."""
    folder = tmp_path / "ca"
    make_authority(folder)
    return folder


def serving(authority, name="127.0.0.1"):
    """How a server with a certificate of this authority for that name or address speaks TLS."""
    made = make_server(authority, Subject.of((name,), ()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    return context


async def test_a_private_authority_is_trusted_where_it_is_named(authority):
    """With ca_file; without it the same certificate is refused, in words and with the remedy."""
    async with publishing(serving(authority)) as https:
        url = https.says("/list", LIST)
        assert (await fetch(url, ca_file=authority / "ca.crt")).data == LIST

        with pytest.raises(FeedError, match=r"certificate of 127\.0\.0\.1 is not good: .*issuer") as caught:
            await fetch(url)
    assert "ca_file" in caught.value.hint
    assert len(https.seen) == 1


async def test_the_systems_authorities_are_read_each_time(authority, monkeypatch):
    """SSL_CERT_FILE, or what update-ca-certificates wrote, counts from the next fetch on."""
    async with publishing(serving(authority)) as https:
        url = https.says("/list", LIST)
        with pytest.raises(FeedError, match="is not good"):
            await fetch(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.crt"))
        assert (await fetch(url)).data == LIST


async def test_another_authority_is_refused(authority, tmp_path):
    """ca_file is the only one that counts: whoever else signs may sign for anybody."""
    make_authority(tmp_path / "other")
    async with publishing(serving(authority)) as https:
        with pytest.raises(FeedError, match="is not good"):
            await fetch(https.says("/list", LIST), ca_file=tmp_path / "other" / "ca.crt")
    assert https.seen == []


async def test_a_certificate_for_another_name_is_refused(authority):
    """Signed by the right one, for somebody else."""
    async with publishing(serving(authority, "lists.example.net")) as https:
        with pytest.raises(FeedError, match=r"is not good: .*127\.0\.0\.1"):
            await fetch(https.says("/list", LIST), ca_file=authority / "ca.crt")
    assert https.seen == []


async def test_https_never_redirects_to_http(authority, publisher, tmp_path):
    """Not even to the same host; nobody is asked, and the key stays where it is."""
    (tmp_path / "key").write_text("s3cret")
    async with publishing(serving(authority)) as https:
        url = https.says("/list", status=302, Location=publisher.says("/list", LIST))
        with pytest.raises(FeedError, match="anybody on the way could change"):
            await fetch(url, ca_file=authority / "ca.crt", key_file=tmp_path / "key", key_header="Key")
    assert publisher.seen == []


async def test_a_redirect_to_another_https_host_is_checked_and_gets_no_key(authority, tmp_path):
    """The certificate as much as the first one's; the key is the first one's alone."""
    (tmp_path / "key").write_text("s3cret")
    make_authority(tmp_path / "other")
    key = {"key_file": tmp_path / "key", "key_header": "Key", "ca_file": authority / "ca.crt"}
    async with publishing(serving(authority)) as first, publishing(serving(authority, "::1"), "::1") as second:
        url = first.says("/list", status=302, Location=second.says("/list", LIST))
        assert (await fetch(url, **key)).data == LIST
    other = serving(tmp_path / "other")
    async with publishing(other) as stranger, publishing(serving(authority, "localhost"), "localhost") as first:
        url = first.says("/list", status=302, Location=stranger.says("/list", LIST))
        with pytest.raises(FeedError, match=r"certificate of 127\.0\.0\.1 is not good"):
            await fetch(url, **key)

    assert "Key" not in second.seen[0].headers
    assert stranger.seen == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no certificate"),
        (b"hello\n", "holds no certificate"),
        (b"\xff-----BEGIN CERTIFICATE-----", "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged certificate"),
        (None, "No such file"),
    ],
)
async def test_a_ca_file_without_certificates_is_named(publisher, tmp_path, content, words):
    """Never the system's instead; nothing is asked."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(FeedError, match=f"ca_file .*{words}"):
        await fetch(publisher.says("/list", LIST), ca_file=file)
    assert publisher.seen == []


async def test_a_ca_file_that_is_a_pipe_keeps_nobody_waiting(publisher, tmp_path):
    """Nobody writes to it; with a writer that says nothing, neither."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FeedError, match="holds no certificate"):
        await fetch(publisher.says("/list", LIST), ca_file=tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(FeedError, match=r"ca_file|no certificate"):
            await fetch(publisher.says("/list", LIST), ca_file=tmp_path / "pipe")
    finally:
        os.close(writer)
