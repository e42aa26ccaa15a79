"""The upstream host over HTTP: one request carries questions, its answer streams lines back."""

import ssl
from collections.abc import AsyncGenerator
from http import HTTPStatus
from pathlib import Path

import httpx

from sorter.centre.contract import ANSWER_LINE_BYTES_MAX, VERSION
from sorter.ports import HostFailure

ANSWER_BYTES_MAX = 8 * 1024 * 1024
"""All that one request may bring; whoever sends more is not answering questions."""
MEDIA_TYPE = "application/x-ndjson"


class HostError(Exception):
    """The host did not answer as it should; says how, and what it was."""

    def __init__(self, cause: HostFailure, problem: str) -> None:
        super().__init__(problem)
        self.cause = cause


class HttpHost:
    """Posts questions and yields the lines that come back.

    No redirect is followed and no proxy of the environment is used: the address given is the host.
    """

    def __init__(
        self, url: str, token: str, ca: Path | None, silence_s: float, requests_max: int
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: Where to post.
            token: Bearer token, empty for none.
            ca: PEM file with the certificates that prove the host's; None for the system's.
            silence_s: Longest wait for a connection, and for the next bytes.
            requests_max: Requests at once.

        Raises:
            OSError: the certificates can't be read.
        """
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Accept": MEDIA_TYPE,
            "Accept-Encoding": "identity",
            "Sorter-Contract": VERSION,
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._url = url
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(silence_s, pool=None),
            limits=httpx.Limits(max_connections=requests_max),
            verify=ssl.create_default_context(cafile=ca) if url.startswith("https") else False,
            trust_env=False,
            follow_redirects=False,
        )

    async def ask(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """Post questions; yield each line of the answer as it comes, without its newline.

        Raises:
            HostError: the host is away, refuses, is silent, or says too much.
        """
        try:
            async with self._client.stream("POST", self._url, content=body) as response:
                if response.status_code != HTTPStatus.OK:
                    raise HostError(
                        HostFailure.STATUS, f"it answered with status {response.status_code}"
                    )
                async for line in _lines(response):
                    yield line
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise HostError(HostFailure.CONNECT, _no_connection(error)) from None
        except httpx.TimeoutException:
            raise HostError(HostFailure.SILENT, "it fell silent") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise HostError(
                HostFailure.BROKEN, f"the connection broke ({error or type(error).__name__})"
            ) from None

    async def close(self) -> None:
        """Let all connections go."""
        await self._client.aclose()


def _no_connection(error: httpx.TransportError) -> str:
    """Tell why none came about, and of a certificate what to do."""
    told = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in told:
        return f"its certificate is not trusted ({told}); name its authority in upstream.ca"
    return f"no connection ({told})"


async def _lines(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield the lines of a body that is as long as it may be."""
    total = 0
    rest = b""
    async for chunk in response.aiter_raw():
        total += len(chunk)
        if total > ANSWER_BYTES_MAX:
            raise HostError(
                HostFailure.TOO_LARGE, f"an answer of more than {ANSWER_BYTES_MAX} bytes"
            )
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _within(line)
        _within(rest)
    if rest:
        yield rest


def _within(line: bytes) -> bytes:
    """Return a line, or what came of it so far, that is as long as it may be."""
    if len(line) > ANSWER_LINE_BYTES_MAX:
        raise HostError(HostFailure.TOO_LARGE, f"a line of more than {ANSWER_LINE_BYTES_MAX} bytes")
    return line
