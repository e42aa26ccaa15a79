"""The server: it ends when told, and says what keeps it from starting."""

import http.client
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from sorter.api.server import serve
from sorter.errors import UnavailableError

SERVER = """
import sys
from pathlib import Path
from sorter.api.app import Face, create_app
from sorter.api.server import serve
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
serve(create_app(face), "127.0.0.1", int(sys.argv[2]))
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
