"""The server: it ends when told, and says what keeps it from starting."""

import http.client
import signal
import socket
import ssl
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from fastapi import FastAPI

from sorter.api.server import serve
from sorter.config_http import HttpTls
from sorter.errors import ConfigError, UnavailableError
from tests.certificates import Authority

SERVER = """
import sys
from pathlib import Path
from sorter.api.app import Face, create_app
from sorter.api.server import serve
from sorter.config_http import HttpTls
from sorter.outlets.reading import BoardReader, RecorderBoardReader
from sorter.outlets.shadows import Shadows

class Store:
    async def open(self): print("opened", flush=True)
    async def close(self): print("closed", flush=True)
    async def ping(self): pass
    async def piece_history(self, code): return None

class Desk:
    async def close(self): pass

folder = Path(sys.argv[1])
boards = BoardReader(folder / "a"), RecorderBoardReader(folder / "b")
face = Face("lyg", *boards, Store(), None, Desk(), Shadows(folder / "c"), [])
tls = HttpTls(certificate=sys.argv[3], key=sys.argv[4]) if sys.argv[3:] else None
serve(create_app(face), "127.0.0.1", int(sys.argv[2]), tls)
print("ended", flush=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_told_with_a_client_connected(
    tmp_path: Path, number: signal.Signals
) -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "opened\n"
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", "/livez")
        assert client.getresponse().read() == b'{"live":true}'
        process.send_signal(number)
        assert process.stdout.readline() == "closed\n"
        assert process.stdout.readline() == "ended\n"
        client.close()
    assert process.returncode == 0


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"can't listen on 127.0.0.1:{port}"):
            serve(FastAPI(), "127.0.0.1", port)


def test_a_host_that_is_not_ours_is_told() -> None:
    with pytest.raises(UnavailableError, match=r"can't listen on 203\.0\.113\.1:8080"):
        serve(FastAPI(), "203.0.113.1", 8080)


def test_it_serves_over_tls_with_its_own_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, other = authority.sign("face", "127.0.0.1"), authority.sign("other", "127.0.0.1")
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), str(port), str(pair.certificate),
         str(pair.key)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "opened\n"
        context = ssl.create_default_context(cafile=str(authority.pair.certificate))
        client = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
        client.request("GET", "/livez")
        assert client.getresponse().read() == b'{"live":true}'
        client.close()
        with socket.create_connection(("127.0.0.1", port), 60) as bare:
            bare.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"live" not in bare.recv(1000)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(authority.pair.certificate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", port), 60) as raw, pytest.raises(OSError):
            old.wrap_socket(raw, server_hostname="127.0.0.1")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    for wrong in (
        HttpTls(certificate=pair.certificate, key=other.key),
        HttpTls(certificate=pair.certificate, key=tmp_path / "none.pem"),
        HttpTls(certificate=pair.key, key=pair.key),
    ):
        with pytest.raises(ConfigError, match=r"http\.tls"):
            serve(FastAPI(), "127.0.0.1", port, wrong)
