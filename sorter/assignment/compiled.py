"""The one way to compile a function here, with a cache that knows every file a kernel is made of.

Numba keeps compiled code beside the source and looks only at the age of the kernel's own file: a
change in the file of a function that it calls, or in a constant or record of another module, would
go on running as the old code. So the cache folder is named by all of these files together. It lies
in this package's ``__pycache__`` where that can be written, else in the user's cache folder;
``NUMBA_CACHE_DIR`` names another place.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from plc_adapters import contract
from sorter import ports

OPTIONS: dict[str, Any] = {"cache": True, "forceinline": True, "_nrt": False}
"""For numba; it does not declare the last, which its own modules use for the same end."""

STALE_S = 7 * 86_400.0
"""A cache folder of other sources that no start has used for so long is removed."""

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def _sources() -> list[Path]:
    here = Path(__file__).parent
    kernels = [*here.glob("*.py"), *(here.parent / "line").glob("*.py")]
    return [*sorted(kernels), Path(ports.__file__), Path(contract.__file__)]


def _cache_folder() -> Path:
    named = os.environ.get("NUMBA_CACHE_DIR")
    beside = Path(__file__).parent / "__pycache__"
    if named:
        base = Path(named)
    elif os.access(beside if beside.exists() else beside.parent, os.W_OK):
        base = beside
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sorter"
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return base / f"kernels-{digest.hexdigest()[:16]}"


_CACHE = _cache_folder()


def remove_stale(folder: Path) -> None:
    """Remove the folders beside this one that no start has used for STALE_S.

    Each start marks its own as used, once it is there. Several processes of several versions may
    start at once: what another one removes meanwhile is passed over.
    """
    with contextlib.suppress(OSError):
        os.utime(folder)
        now_s = folder.stat().st_mtime
        for other in folder.parent.glob("kernels-*"):
            with contextlib.suppress(OSError):
                if other != folder and now_s - other.stat().st_mtime > STALE_S:
                    shutil.rmtree(other, ignore_errors=True)


remove_stale(_CACHE)
numba.config.CACHE_DIR = str(_CACHE)  # type: ignore[attr-defined]


def compiled(kernel: Kernel) -> Kernel:
    """Compile a function for the argument types it is first called with, and keep the code.

    Kernels are compiled without numba's runtime (``_nrt``): one that allocates does not compile,
    so that a decision provably allocates nothing, and no array passed on is reference-counted.
    Those counts, taken for some twenty arrays at each of a dozen calls, took most of the time:
    measured over batches of 512, 2.0 us a decision with them, 0.5 without, 0.35 with every
    call inlined as well.
    """
    return cast("Kernel", numba.njit(**OPTIONS)(kernel))
