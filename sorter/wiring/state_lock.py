"""One service a ``state_dir``: two would write the same journal, and neither could be trusted."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sorter.errors import UnavailableError


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file for as long as this process lives; the kernel lets it go with the process.

    Args:
        path: The file, made if it is missing; it holds its owner's process id.
        what: What holds it, for the message of another that finds it held: "service", "line".

    Raises:
        UnavailableError: another process holds it, or the file can't be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(
            f"{path}: can't be made ({error.strerror}); give site.state_dir a folder that this "
            "user can write"
        ) from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            raise UnavailableError(
                f"{path}: the {what} with process id {owner} runs on this state_dir; stop it, or "
                "give this one a site.state_dir of its own"
            ) from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(file)
