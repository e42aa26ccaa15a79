"""Images: the same bytes for the same arrays, and no damaged one is ever mapped."""

import errno
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from plc_adapters.contract import Records
from routing_tables.schema import Network
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays, no_pre_advice
from sorter.errors import ConfigError, UnavailableError
from sorter.plans.compile import compile_plan
from sorter.plans.image import map_image, write_image
from sorter.plans.plan import load_plan


class Small(NamedTuple):
    numbers: NDArray[np.int64]
    table: NDArray[np.uint16]
    nothing: NDArray[np.uint8]


SMALL = Small(np.arange(5), np.arange(6, dtype=np.uint16).reshape(2, 3), np.zeros(0, np.uint8))


def test_plan_comes_back_as_it_was(
    demo: Path, network: Network, chutes: Records, tmp_path: Path
) -> None:
    arrays, metadata = compile_plan(load_plan(demo / "plan.toml"), network, chutes, 1, "LYG-HUB", 5)
    path = write_image("plan", arrays, tmp_path, metadata)
    mapped, told = map_image(path, PlanArrays)
    assert told == {**metadata, "kind": "plan"}
    befores: list[NDArray[Any]] = list(arrays)
    afters: list[NDArray[Any]] = list(mapped)
    for name, before, after in zip(PlanArrays._fields, befores, afters, strict=True):
        assert before.dtype == after.dtype, name
        assert before.shape == after.shape, name
        assert np.array_equal(before, after), name
        assert after.flags.c_contiguous, name
        assert after.flags.aligned, name
        assert after.ctypes.data % 64 == 0, name
        with pytest.raises(ValueError, match="read-only"):
            after.flat[:1] = 0


def test_same_arrays_same_file(tmp_path: Path) -> None:
    first = write_image("small", SMALL, tmp_path, {"b": 1, "a": [2]})
    content = first.read_bytes()
    strided = SMALL._replace(numbers=np.arange(10)[:5], table=SMALL.table.T.copy().T)
    assert write_image("small", strided, tmp_path, {"a": [2], "b": 1}) == first
    assert first.read_bytes() == content
    assert list(tmp_path.iterdir()) == [first]
    assert write_image("small", SMALL, tmp_path, {"a": [3], "b": 1}) != first
    assert write_image("other", SMALL, tmp_path, {"a": [2], "b": 1}) != first
    assert first.name.startswith("small-")
    assert len(first.name) == len("small-.image") + 16


def test_arrays_outlive_the_file(tmp_path: Path) -> None:
    path = write_image("small", SMALL, tmp_path, {})
    mapped, _ = map_image(path, Small)
    path.unlink()
    assert mapped.numbers.sum() == 10
    assert mapped.nothing.shape == (0,)


def test_empty_pre_advice(tmp_path: Path) -> None:
    path = write_image("pre_advice", no_pre_advice(), tmp_path, {"source": "预报.csv"})
    mapped, metadata = map_image(path, PreAdviceArrays)
    assert metadata["source"] == "预报.csv"
    assert not mapped.length.any()


def test_any_damaged_byte_is_found(tmp_path: Path) -> None:
    path = write_image("small", SMALL, tmp_path, {"name": "x"})
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :])
        with pytest.raises(ConfigError, match=r"small-.*: .*; "):
            map_image(path, Small)


def test_any_cut_is_found(tmp_path: Path) -> None:
    path = write_image("small", SMALL, tmp_path, {"name": "x"})
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ConfigError):
            map_image(path, Small)


def test_image_of_something_else(tmp_path: Path) -> None:
    path = write_image("small", SMALL, tmp_path, {})
    with pytest.raises(ConfigError, match="holds no PlanArrays of this version"):
        map_image(path, PlanArrays)
    wider = SMALL._replace(table=SMALL.table.astype(np.uint32))
    with pytest.raises(ConfigError, match="holds no Small"):
        map_image(write_image("small", wider, tmp_path, {}), Small)
    other = tmp_path / "other.image"
    other.write_bytes(b"\x7fELF" * 100)
    with pytest.raises(ConfigError, match="no compiled image"):
        map_image(other, Small)
    with pytest.raises(ConfigError, match="no such file"):
        map_image(tmp_path / "none.image", Small)
    with pytest.raises(ConfigError, match="can't be read"):
        map_image(tmp_path, Small)


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(UnavailableError, match="No space left on device; make room"):
        write_image("small", SMALL, tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="can't be written"):
        write_image("small", SMALL, tmp_path / "none", {})


def test_too_large_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sorter.plans.image.IMAGE_BYTES_MAX", 500)
    huge: Any = SMALL._replace(numbers=np.zeros(1000, np.int64))
    with pytest.raises(ConfigError, match="at most 500"):
        write_image("small", huge, tmp_path, {})
