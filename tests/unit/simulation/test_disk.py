import errno
from pathlib import Path

import pytest

from sorter.simulation.disk import ProcessDisk, SimulatedDisk

PATH = Path("/j/a")


def made(disk: SimulatedDisk) -> tuple[ProcessDisk, int]:
    process = ProcessDisk(disk)
    return process, process.create(PATH, 100)


def test_a_power_cut_keeps_what_was_synced() -> None:
    for seed in range(20):
        disk = SimulatedDisk(seed)
        process, file = made(disk)
        process.write(file, b"durable", 0)
        process.sync(file)
        process.write(file, b"not yet", 7)
        disk.power_cut()
        assert process.read(file, 0, 7) == b"durable"


def test_a_power_cut_tears_what_was_not() -> None:
    left = set()
    for seed in range(60):
        disk = SimulatedDisk(seed)
        process, file = made(disk)
        process.write(file, b"0123456789", 0)
        disk.power_cut()
        left.add(len(process.read(file, 0, 10).rstrip(b"\0")))
    assert {0, 10} < left


def test_a_failed_sync_is_not_made_good_by_the_next() -> None:
    disk = SimulatedDisk(1)
    process, file = made(disk)
    disk.sync_failures = 1
    process.write(file, b"gone", 0)
    with pytest.raises(OSError, match="Input/output"):
        process.sync(file)
    process.sync(file)
    disk.power_cut()
    assert process.read(file, 0, 4) == bytes(4)


def test_a_full_disk_takes_what_has_its_room() -> None:
    disk = SimulatedDisk(1)
    process, file = made(disk)
    disk.full = True
    process.write(file, b"x" * 100, 0)
    for refused in (
        lambda: process.write(file, b"x", 100),
        lambda: process.create(Path("/j/b"), 1),
    ):
        with pytest.raises(OSError) as caught:
            refused()
        assert caught.value.errno == errno.ENOSPC


def test_a_killed_process_changes_nothing_any_more() -> None:
    process, file = made(SimulatedDisk(1))
    process.killed = True
    with pytest.raises(OSError, match="dead"):
        process.write(file, b"x", 0)
