"""What the one way to compile promises."""

import os
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.errors import NumbaError
from numpy.typing import NDArray

from plc_adapters.compiled import STALE_S, remove_stale
from sorter.assignment.compiled import compiled


@compiled
def adds(values: NDArray[np.int64]) -> int:
    return int(values[1:].sum())


@compiled
def allocates(count: int) -> int:
    return len(np.zeros(count))


def test_a_kernel_that_allocates_does_not_compile() -> None:
    assert adds(np.arange(4)) == 6
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        assert allocates(3) == 3
        return
    with pytest.raises(NumbaError, match="zeros"):
        allocates(3)


def test_caches_that_no_start_uses_any_more_are_removed(tmp_path: Path) -> None:
    now = time.time()
    mine, fresh, old = (tmp_path / f"kernels-{name}" for name in ("mine", "fresh", "old"))
    for folder in (mine, fresh, old, tmp_path / "other"):
        folder.mkdir()
        (folder / "x.nbc").write_text("x")
        os.utime(folder, (now - STALE_S - 1,) * 2)
    os.utime(fresh)
    for _ in range(2):
        remove_stale(mine)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "kernels-fresh", "kernels-mine", "other",
    ]  # fmt: skip
    assert mine.stat().st_mtime >= now - 10, "a start marks its own as used"
    remove_stale(tmp_path / "kernels-none")
