"""A PostgreSQL server of the service's own, for a start with nothing installed.

Not for production: use ``store.dsn`` there. The server is a direct child of this process, in a
session of its own, reached over a Unix socket only; it ends with this process however that ends.
"""

import asyncio
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

from sorter.errors import UnavailableError
from sorter.store import address, launch
from sorter.store.binaries import (
    Installation,
    User,
    closed_parent,
    find_installation,
    server_user,
)

DATABASE = "postgres"
OWNER = "sorter"
"""The database's superuser; whoever may reach the socket is let in as him."""
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES_MAX = 107
"""sun_path of unix(7) less its NUL."""
START_S = 60.0
"""Time the server has until it takes a connection; after a crash it reads its log first."""
INITDB_S = 120.0
"""Time initdb has."""
STOP_S = 30.0
"""Time the server has after SIGINT, then after SIGQUIT, before it is killed; it writes all that is
in its memory first, which on a slow disk takes some seconds."""
POLL_S = 0.01
RESTART_FIRST_S = 0.2
RESTART_MAX_S = 10.0
"""A server that dies is started again after a pause that doubles up to this."""
SETTLED_S = 30.0
"""A server that lived so long starts again at the first pause."""
LOG_BYTES_MAX = 16 << 20
"""A larger log is set aside at the next start, as ``.1``; the one before is dropped."""
REFUGE = Path("/var/tmp")  # noqa: S108 - the folder made there is checked
"""Where the data go if the server's user can't enter the folder given; it outlives a restart."""
LOG_LINES_TOLD = 6
"""Last lines of the log that an error tells."""
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "32",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "jit": "off",
    # Containers often have a /dev/shm too small for parallel queries.
    "max_parallel_workers_per_gather": "0",
}

_logger = logging.getLogger(__name__)


class EmbeddedPostgres:
    """A server whose data stand in a folder; started and stopped by a thread without an event loop.

    Should it die while it is wanted, it is started again.

    Args:
        folder: Where data, lock and socket go; made if missing. If root runs the service, the
            server runs as ``postgres`` or ``nobody``; where that user can't enter the folder, as
            below ``/root``, data and socket go to a folder of ``/var/tmp`` named by it.
        log: The server's log; ``postgres.log`` in the folder if left out.
    """

    def __init__(self, folder: Path, log: Path | None = None) -> None:
        self._folder = folder.absolute()
        self._place = self._folder
        self._data = self._place / "data"
        self._log = log or self._folder / "postgres.log"
        self._user = User()
        self._socket = self._folder
        self._told_from = 0
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._ready = False
        self._stopping = threading.Event()

    @property
    def dsn(self) -> str:
        """Address of the database, for any process of this user on this machine."""
        return f"postgresql://{OWNER}@/{DATABASE}?host={quote(str(self._socket), safe='/')}"

    @property
    def pid(self) -> int:
        """Process id of the server, 0 while there is none."""
        process = self._process
        return process.pid if process and process.returncode is None else 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, making its data folder first if there is none; return once it answers.

        Raises:
            UnavailableError: there is no PostgreSQL, the folder can't be used or is in use, or the
                server does not start; names the culprit and the last lines of the log.
        """
        if self._keeper:
            return
        try:
            self._prepare()
        except OSError as error:
            self._release()
            raise UnavailableError(
                f"{error.filename or self._folder}: {error.strerror}; the embedded database needs "
                f"a folder of its own in {self._folder}: make it writable, or change site.state_dir"
            ) from None
        except BaseException:
            self._release()
            raise
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server in order; kill it if it does not listen. Harmless if there is none."""
        self._stopping.set()
        keeper, self._keeper = self._keeper, None
        if keeper:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                if self._process:
                    self._process.send_signal(number)
                keeper.join(STOP_S)
                if not keeper.is_alive():
                    break
                _logger.warning(
                    "the embedded PostgreSQL did not end %.0f s after %s", STOP_S, number.name
                )
        self._ready = False
        if keeper and self._socket.parent != self._folder:
            with suppress(OSError):
                self._socket.rmdir()
        self._release()

    def _prepare(self) -> None:
        """Do all that comes before the first connection."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self._choose_place()
        self._folder.chmod(0o711)
        made_with = self._data / "PG_VERSION"
        major = int(made_with.read_text(encoding="ascii")) if made_with.exists() else None
        installation = find_installation(self._user, major, self._place)
        self._prepare_log()
        if major is None:
            self._make_data(installation)
        self._end_earlier()
        self._prepare_socket()
        settings = {**SETTINGS, "unix_socket_directories": str(self._socket)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._stopping.clear()
        self._keeper = threading.Thread(
            target=self._keep,
            args=([installation.postgres, "-D", str(self._data), *options],),
            name="embedded-postgres",
            daemon=True,
        )
        self._keeper.start()

    def _take_lock(self) -> None:
        """Hold the folder; the kernel lets go of it when this process dies."""
        lock = (self._folder / "lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise UnavailableError(
                f"{self._folder}: the embedded database is run by another service (process "
                f"{holder}); stop it, or give this one another site.state_dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _release(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def _choose_place(self) -> None:
        """Take the folder itself, or one in the refuge where the server's user can't enter it."""
        self._user = server_user(self._folder / "data")
        closed = closed_parent(self._folder, self._user)
        if closed is None:
            return
        mark = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:12]
        self._place = REFUGE / f"sorter-postgres-{mark}"
        self._data = self._place / "data"
        known = self._folder / "place"
        if not known.exists():
            # What is there belonged to a folder of this name that was removed since.
            shutil.rmtree(self._place, ignore_errors=True)
        with suppress(FileExistsError):
            self._place.mkdir(mode=0o711)
        state = self._place.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
            raise UnavailableError(
                f"{self._place}: must be a folder of {User().name}, for the embedded database; "
                "remove it"
            )
        self._place.chmod(0o711)
        known.write_text(f"{self._place}\n", encoding="utf-8")
        self._user = server_user(self._data)
        _logger.info(
            "%s can't enter %s; the embedded database is kept in %s",
            self._user.name, closed, self._place,
        )  # fmt: skip

    def _prepare_log(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.touch(mode=0o640)
        if self._log.stat().st_size > LOG_BYTES_MAX:
            self._log.replace(self._log.with_name(self._log.name + ".1"))
            self._log.touch(mode=0o640)
        self._told_from = self._log.stat().st_size

    def _make_data(self, installation: Installation) -> None:
        """Run initdb beside the final place, so that a half-made folder is never taken for one."""
        fresh = self._place / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        command = [installation.initdb, "-D", str(fresh), "-U", OWNER, "--auth=trust", "--locale=C"]
        command += ["--encoding=UTF8", "--data-checksums", "--no-instructions"]
        process = self._spawn(command)
        try:
            code = process.wait(INITDB_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = -signal.SIGKILL
        if code:
            raise UnavailableError(
                f"{self._folder}: initdb failed with exit code {code}: {self._told()}; "
                f"see {self._log}"
            )
        fresh.rename(self._data)
        handle = os.open(self._place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _give(self, folder: Path) -> None:
        if self._user.uid >= 0:
            os.chown(folder, self._user.uid, self._user.gid)

    def _end_earlier(self) -> None:
        """End a server that a killed service left behind, and let go of what it held."""
        held = self._data / "postmaster.pid"
        try:
            lines = held.read_text(encoding="utf-8").splitlines()
            pid = int(lines[0])
        except FileNotFoundError:
            return
        except (ValueError, IndexError):
            held.unlink()
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if not self._is_server(pid):
                break
            _logger.warning("ending PostgreSQL %d, which an earlier service left behind", pid)
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + STOP_S
            while self._is_server(pid) and time.monotonic() < deadline:
                time.sleep(POLL_S)
        if held.exists():
            # The number may by now be another process's, or a zombie's, and PostgreSQL would
            # refuse to start. It takes its own parent's for stale, and still checks the shared
            # memory named in the file for backends that live on.
            held.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n", encoding="utf-8")

    def _is_server(self, pid: int) -> bool:
        """Whether that process is a living server of this data folder."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(self._data) in words  # a zombie's command line is empty

    def _prepare_socket(self) -> None:
        """Take a folder whose path is short and plain enough for a socket, empty it."""
        self._socket = self._place / "socket"
        path = str(self._socket / SOCKET_NAME)
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX or not set(path).isdisjoint(",'\" "):
            mark = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:12]
            self._socket = Path(tempfile.gettempdir()).absolute() / f"sorter-postgres-{mark}"
        with suppress(FileExistsError):
            self._socket.mkdir(mode=0o700)
            self._give(self._socket)
        state = self._socket.lstat()
        owner = self._user.uid if self._user.uid >= 0 else os.geteuid()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != owner:
            raise UnavailableError(
                f"{self._socket}: must be a folder of {self._user.name}, for the embedded "
                "database's socket; remove it"
            )
        self._socket.chmod(0o700)
        for leftover in self._socket.glob(SOCKET_NAME + "*"):
            leftover.unlink()

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a program that ends when the calling thread does."""
        launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the command is made here
                [*launcher, str(self._user.uid), str(self._user.gid), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
            )

    def _keep(self, command: list[str]) -> None:
        """Keep the server running. A thread of its own: it must live as long as the server."""
        pause_s = RESTART_FIRST_S
        while True:
            started_s = time.monotonic()
            try:
                self._process = self._spawn(command)
            except OSError as error:
                _logger.error("%s: can't be run: %s", command[0], error.strerror)
                return
            if self._stopping.is_set():
                self._process.send_signal(signal.SIGINT)
            code = self._process.wait()
            if self._stopping.is_set() or not self._ready:
                return
            if time.monotonic() - started_s > SETTLED_S:
                pause_s = RESTART_FIRST_S
            _logger.warning(
                "the embedded PostgreSQL ended with %d; starting it again in %.1f s; its log is %s",
                code, pause_s, self._log,
            )  # fmt: skip
            if self._stopping.wait(pause_s):
                return
            pause_s = min(pause_s * 2, RESTART_MAX_S)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_S
        keeper = self._keeper
        while keeper and keeper.is_alive() and time.monotonic() < deadline:
            try:
                asyncio.run(self._ask())
            except UnavailableError:
                time.sleep(POLL_S)
            else:
                self._ready = True
                return
        raise UnavailableError(
            f"{self._folder}: the embedded PostgreSQL does not start: {self._told()}; "
            f"see {self._log}"
        )

    async def _ask(self) -> None:
        connection = await address.connect(self.dsn, "sorter start")
        await connection.close()

    def _told(self) -> str:
        """Return the last lines that this start left in the log, as one line."""
        with self._log.open("rb") as log:
            log.seek(self._told_from)
            lines = log.read().decode("utf-8", "replace").splitlines()
        return " | ".join(line.strip() for line in lines[-LOG_LINES_TOLD:]) or "it says nothing"
