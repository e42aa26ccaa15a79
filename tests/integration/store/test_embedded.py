"""The embedded server starts, ends with its service however that ends, and says what is wrong."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from sorter.errors import UnavailableError
from sorter.store import binaries, embedded
from sorter.store.binaries import BIN_VARIABLE, User, _folders, _version
from sorter.store.embedded import SOCKET_PATH_BYTES_MAX, EmbeddedPostgres
from sorter.store.records import RecordStore
from tests.integration.store.conftest import SetClock, ask, batch, until

SERVICE = """
import sys, time
from pathlib import Path
from sorter.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, server.dsn, flush=True)
time.sleep(600)
"""


class Service:
    """A process that runs the embedded server."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        pid, self.dsn = self._process.stdout.readline().split()
        self.server_pid = int(pid)

    def kill(self) -> None:
        """End the process by SIGKILL."""
        self._process.kill()
        self._process.communicate()


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def servers_of(folder: Path) -> list[int]:
    """Return the living processes that work in this data folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder / "data":
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_start_stop_start_keeps_the_data(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    assert server.pid == 0
    server.stop()
    server.start()
    server.start()
    assert is_alive(server.pid)
    ask(server.dsn, "CREATE TABLE kept AS SELECT 1 AS n")
    server.stop()
    assert servers_of(folder) == []
    assert server.pid == 0
    with server:
        assert ask(server.dsn, "SELECT n FROM kept") == [(1,)]
        assert ask(server.dsn, "SHOW data_checksums") == [("on",)]
        assert ask(server.dsn, "SHOW server_encoding") == [("UTF8",)]
        assert ask(server.dsn, "SHOW listen_addresses") == [("",)]
        assert ask(server.dsn, "SHOW fsync") == [("on",)]
        assert ask(server.dsn, "SELECT datcollate FROM pg_database LIMIT 1") == [("C",)]
    assert servers_of(folder) == []


def test_a_killed_service_leaves_no_server_behind(folder: Path) -> None:
    service = Service(folder)
    ask(service.dsn, "CREATE TABLE kept AS SELECT 1 AS n")
    assert is_alive(service.server_pid)
    service.kill()
    until(lambda: not servers_of(folder))
    with EmbeddedPostgres(folder) as server:
        assert ask(server.dsn, "SELECT n FROM kept") == [(1,)]


def test_a_start_right_after_a_kill_waits_for_the_server_before(folder: Path) -> None:
    service = Service(folder)
    service.kill()
    with EmbeddedPostgres(folder) as server:
        assert server.pid != service.server_pid
        assert ask(server.dsn, "SELECT 1") == [(1,)]


def test_a_server_left_running_is_ended_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = EmbeddedPostgres(folder)
    first.start()
    old = first.pid
    # As if its service had died without the kernel telling it: nobody waits, nobody holds the lock.
    monkeypatch.setattr(first, "_ready", False)
    first._release()
    with EmbeddedPostgres(folder) as server:
        assert server.pid != old
        assert not is_alive(old)
        assert ask(server.dsn, "SELECT 1") == [(1,)]
    assert "left behind" in caplog.text
    first.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT])
def test_a_server_that_dies_is_started_again(folder: Path, number: signal.Signals) -> None:
    with EmbeddedPostgres(folder) as server:
        ask(server.dsn, "CREATE TABLE kept AS SELECT 1 AS n")
        old = server.pid
        os.kill(old, number)

        def answers() -> bool:
            try:
                return server.pid not in (0, old) and ask(server.dsn, "SELECT n FROM kept") == [
                    (1,)
                ]
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False

        until(answers)
    assert servers_of(folder) == []


@pytest.mark.parametrize(
    "content", ["", "junk\n", f"{os.getpid()}\n/nowhere\n", "1\n/x\n0\n5432\n"]
)
def test_a_stale_pid_file_is_no_hindrance(folder: Path, content: str) -> None:
    with EmbeddedPostgres(folder):
        pass
    (folder / "data" / "postmaster.pid").write_text(content, encoding="ascii")
    with EmbeddedPostgres(folder) as server:
        assert ask(server.dsn, "SELECT 1") == [(1,)]


def test_a_second_service_is_refused(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        with pytest.raises(UnavailableError, match=rf"another service \(process {os.getpid()}\)"):
            EmbeddedPostgres(folder).start()
        assert ask(server.dsn, "SELECT 1") == [(1,)]


def test_an_initdb_that_was_killed_is_done_again(folder: Path) -> None:
    (folder / "data.new" / "base").mkdir(parents=True)
    with EmbeddedPostgres(folder) as server:
        assert ask(server.dsn, "SELECT 1") == [(1,)]
    assert not (folder / "data.new").exists()


def test_a_long_path_gets_a_short_socket(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e e,'" * 12)
    with EmbeddedPostgres(deep, folder / "own.log") as server:
        assert ask(server.dsn, "SELECT 1") == [(1,)]
        assert len(str(server._socket)) < SOCKET_PATH_BYTES_MAX
        assert (deep / "data").exists()
    assert not server._socket.exists()
    assert "ready to accept" in (folder / "own.log").read_text(encoding="utf-8")


def test_a_parent_the_server_can_not_enter_is_no_obstacle(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the wheel's programs, and those copied, as below a closed home.
    monkeypatch.setattr(binaries, "DEBIAN", folder)
    monkeypatch.setattr(embedded, "REFUGE", folder)
    closed = folder / "closed"
    closed.mkdir(parents=True)
    closed.chmod(0o700)
    for _ in range(2):
        with EmbeddedPostgres(closed / "db") as server:
            ask(server.dsn, "CREATE TABLE IF NOT EXISTS kept ()")
            assert server._place == folder or os.geteuid() != 0 or server._place.parent == folder
    shutil.rmtree(closed / "db")
    with EmbeddedPostgres(closed / "db") as server:
        ask(server.dsn, "CREATE TABLE kept ()")


def test_a_folder_that_can_not_be_made_is_named(folder: Path) -> None:
    folder.write_text("a file", encoding="ascii")
    with pytest.raises(UnavailableError, match=r"site\.state_dir"):
        EmbeddedPostgres(folder / "db").start()


def test_what_a_server_says_that_does_not_start_is_told(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        pass
    with (folder / "data" / "postgresql.conf").open("a", encoding="ascii") as settings:
        settings.write("no_such_setting = 1\n")
    server = EmbeddedPostgres(folder)
    with pytest.raises(UnavailableError, match=r"does not start: .*no_such_setting.*postgres\.log"):
        server.start()
    assert server.pid == 0


def test_what_initdb_says_that_fails_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = folder / "bin"
    programs.mkdir(parents=True)
    says = {"postgres": "echo 'postgres (PostgreSQL) 17.2'", "initdb": "echo no room; exit 3"}
    for name, script in says.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        (programs / name).chmod(0o755)
    monkeypatch.setenv(BIN_VARIABLE, str(programs))
    with pytest.raises(UnavailableError, match="exit code 3: no room"):
        EmbeddedPostgres(folder / "db").start()
    assert not (folder / "db" / "data").exists()


def test_a_large_log_is_set_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_BYTES_MAX", 10)
    folder.mkdir()
    log = folder / "postgres.log"
    log.write_text("an old log, and long", encoding="ascii")
    with EmbeddedPostgres(folder):
        pass
    assert (folder / "postgres.log.1").read_text(encoding="ascii") == "an old log, and long"
    assert "an old log" not in log.read_text(encoding="utf-8")


def installed() -> dict[int, Path]:
    """Return one folder of programs for each version here."""
    found: dict[int, Path] = {}
    for folder in _folders(User(), Path()):
        version = _version(folder, User())
        if isinstance(version, int):
            found.setdefault(version, folder)
    return found


def test_the_tables_stand_on_every_version_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = installed()
    assert versions
    for version, programs in versions.items():
        monkeypatch.setenv(BIN_VARIABLE, str(programs))
        own = folder / str(version)
        with EmbeddedPostgres(own) as server:

            async def run(dsn: str) -> int:
                store = RecordStore(dsn, 30, SetClock())
                wrote = await store.write("loop-1", [batch(1)], (1, 1))
                await store.maintain()
                await store.close()
                return wrote

            assert asyncio.run(run(server.dsn)) == 6
            assert ask(server.dsn, "SHOW server_version_num")[0][0].startswith(str(version))
        shutil.rmtree(own)


def test_data_of_another_version_are_not_touched(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        pass
    (folder / "data" / "PG_VERSION").write_text("99\n", encoding="ascii")
    with pytest.raises(UnavailableError, match="no PostgreSQL of version 99, which made the data"):
        EmbeddedPostgres(folder).start()
