"""What the one way to compile promises."""

import numba
import numpy as np
import pytest
from numba.core.errors import NumbaError
from numpy.typing import NDArray

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
