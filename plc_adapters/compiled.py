"""The one way to compile a function, with a cache that knows every file a kernel is made of.

Numba keeps compiled code beside the source and looks only at the age of the kernel's own file: a
change in the file of a function that it calls, or in a constant or record of another module, would
go on running as the old code. So the cache folder of a group of kernels is named by all the files
that they are made of. It lies in the ``__pycache__`` of the group's room where that can be written,
else in the user's cache folder; ``NUMBA_CACHE_DIR`` names another place.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

OPTIONS: dict[str, Any] = {"cache": True, "forceinline": True, "_nrt": False}
"""For numba; it does not declare the last, which its own modules use for the same end."""

STALE_S = 7 * 86_400.0
"""A cache folder of other sources that no start has used for so long is removed."""

Kernel = TypeVar("Kernel", bound=Callable[..., object])


class Compiler:
    """Compiles the kernels of one group for the argument types they are first called with.

    Kernels are compiled without numba's runtime (``_nrt``): one that allocates does not compile,
    so that a decision provably allocates nothing, and no array passed on is reference-counted.
    Those counts, taken for some twenty arrays at each of a dozen calls, took most of the time:
    measured over batches of 512, 2.0 us a decision with them, 0.5 without, 0.35 with every
    call inlined as well.
    """

    def __init__(self, group: str, room: Path, sources: Iterable[Path]) -> None:
        """Find the cache, and remove those of other versions that nothing uses any more.

        Args:
            group: Of kernels, the first part of the cache folder's name; letters only.
            room: Folder of the group's code.
            sources: Every file that a kernel of the group is made of.
        """
        self._cache = _cache_folder(group, room, sources)
        remove_stale(self._cache)

    def __call__(self, kernel: Kernel) -> Kernel:
        """Compile a function, and keep the code."""
        # Numba looks at it as a function is declared, not as it is compiled.
        numba.config.CACHE_DIR = str(self._cache)  # type: ignore[attr-defined]
        return cast("Kernel", numba.njit(**OPTIONS)(kernel))


def _cache_folder(group: str, room: Path, sources: Iterable[Path]) -> Path:
    named = os.environ.get("NUMBA_CACHE_DIR")
    beside = room / "__pycache__"
    if named:
        base = Path(named)
    elif os.access(beside if beside.exists() else beside.parent, os.W_OK):
        base = beside
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sorter"
    digest = hashlib.sha256()
    for path in (Path(__file__), *sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return base / f"{group}-{digest.hexdigest()[:16]}"


def remove_stale(folder: Path) -> None:
    """Remove the folders of the same group beside this one that no start has used for STALE_S.

    Each start marks its own as used, once it is there. Several processes of several versions may
    start at once: what another one removes meanwhile is passed over.
    """
    group = folder.name.partition("-")[0]
    with contextlib.suppress(OSError):
        os.utime(folder)
        now_s = folder.stat().st_mtime
        for other in folder.parent.glob(f"{group}-*"):
            with contextlib.suppress(OSError):
                if other != folder and now_s - other.stat().st_mtime > STALE_S:
                    shutil.rmtree(other, ignore_errors=True)
