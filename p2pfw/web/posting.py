"""Posts what the webhook has to say, over HTTP or verified HTTPS; and reads the file with its secret.

Follows no redirect, keeps no cookie, asks no proxy, and does not read what is answered: the status is the answer.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import hdrs

from p2pfw import __version__
from p2pfw.errors import ConfigError, DeliveryError

MOST_SECRET: Final = 4_096
LEAST_SECRET: Final = 16
"""Bytes: what is shorter is guessed."""
_OTHERS: Final = 0o077
_NONE: Final = aiohttp.ClientTimeout(total=None)


class WebPoster:
    """ports.Poster for one address."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._seconds = url, seconds

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer; DeliveryError when there was none."""
        told = {hdrs.USER_AGENT: f"p2pfw/{__version__}", **headers}
        try:
            async with (
                asyncio.timeout(self._seconds),
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=_NONE) as session,
                session.post(self._url, data=body, headers=told, allow_redirects=False) as answer,
            ):
                return answer.status
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._seconds:g} s") from None
        except aiohttp.ClientConnectorCertificateError:
            raise DeliveryError("its certificate is not valid") from None
        except aiohttp.ClientConnectorError as error:
            raise DeliveryError(f"cannot connect: {error.strerror or error}"[:200]) from None
        except aiohttp.ClientResponseError as error:  # not its text: that names the URL, which may hold a secret
            said = error.message.strip().partition("\n")[0].rstrip(" :")  # the parser's; then comes what it read
            raise DeliveryError(f"no proper answer: {said}"[:200]) from None
        except aiohttp.InvalidURL:
            raise DeliveryError("its address cannot be asked") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryError(f"no proper answer: {error}"[:200]) from None


def read_secret(path: Path | None) -> bytes:
    """What signs the requests; b"" where no file is named. ConfigError when it is not fit to be a secret."""
    if path is None:
        return b""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            mode, secret = os.fstat(descriptor).st_mode, file.read(MOST_SECRET + 1).strip()
    except OSError as error:
        raise ConfigError(f"webhook.secret_file cannot be read: {error.strerror}", where=str(path)) from None
    if mode & _OTHERS:
        raise ConfigError("webhook.secret_file can be read by others", where=str(path), hint=f"chmod 600 {path}")
    if not LEAST_SECRET <= len(secret) <= MOST_SECRET:
        hint = f"openssl rand -hex 32 > {path}"
        problem = f"webhook.secret_file has {len(secret)} bytes, {LEAST_SECRET} to {MOST_SECRET} are needed"
        raise ConfigError(problem, where=str(path), hint=hint)
    return secret
