"""Sensor events are numbered so that (boot, sequence) names one for ever."""

import asyncio
import itertools
import json

import numpy as np
import pytest

from plc_adapters.contract import EVENT, Records
from sorter.errors import JournalError
from sorter.ports import Batch, Snapshot, Standing
from sorter.sensors import stream as stream_module
from sorter.sensors.stream import NS_PER_S, SensorStream, last_boot

NOW_NS = 1_700_000_000 * NS_PER_S


class KeptJournal:
    """Keeps what it is offered; refuses the offers it is told to."""

    def __init__(self) -> None:
        self.entries: list[Batch | Snapshot] = []
        self.refusals = 0
        self.full = False

    def offer(self, batch: Batch) -> bool:
        if self.refusals:
            self.refusals -= 1
            return False
        self.entries.append(batch._replace(events=batch.events.copy()))
        return True

    def durable(self, line: int) -> int:
        return 0

    def wants_snapshot(self, line: int) -> bool:
        full, self.full = self.full, False
        return full

    def offer_snapshot(self, line: int, content: bytes) -> None:
        self.entries.append(Snapshot(line, content))

    def offer_standing(self, standing: Standing) -> None:
        raise AssertionError("sensors stand on nothing")

    def identities(self) -> list[tuple[int, int]]:
        events = [entry.events for entry in self.entries if isinstance(entry, Batch)]
        return [(int(e["boot_id"][0]), int(e["sequence"][0])) for e in events]


def event() -> Records:
    return np.zeros(1, EVENT)


def put(stream: SensorStream, count: int) -> None:
    async def all_of_them() -> None:
        for _ in range(count):
            await stream.put(event())

    asyncio.run(all_of_them())


def test_numbers_go_on_and_each_start_is_a_boot_of_its_own() -> None:
    journal = KeptJournal()
    for _ in range(3):  # all within one second, by a clock that stands
        put(SensorStream(journal, last_boot(journal.entries), NOW_NS), 2)
    boots = [NOW_NS // NS_PER_S + n for n in (0, 2, 4)]
    assert journal.identities() == list(itertools.product(boots, (1, 2)))


def test_a_boot_before_the_first_event_is_not_used_again() -> None:
    journal = KeptJournal()
    first = SensorStream(journal, 0, NOW_NS)
    second = SensorStream(journal, last_boot(journal.entries), NOW_NS - 1_000 * NS_PER_S)
    assert second.boot_id == first.boot_id + 2


def test_a_full_queue_is_waited_for_and_takes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "RETRY_S", 0)
    journal = KeptJournal()
    stream = SensorStream(journal, 0, NOW_NS)
    journal.refusals = 3
    put(stream, 2)
    assert [sequence for _, sequence in journal.identities()] == [1, 2]


def test_a_full_segment_is_followed_by_one_that_begins_with_the_boot() -> None:
    journal = KeptJournal()
    stream = SensorStream(journal, 0, NOW_NS)
    journal.full = True
    put(stream, 1)
    newest = journal.entries[-1]
    assert isinstance(newest, Snapshot)
    assert json.loads(newest.content) == {"boot_id": stream.boot_id}


def test_numbers_used_up_begin_a_new_boot() -> None:
    journal = KeptJournal()
    stream = SensorStream(journal, 0, NOW_NS)
    stream.sequence = stream_module.SEQUENCE_MAX - 1
    boot = stream.boot_id
    put(stream, 2)
    assert journal.identities() == [(boot, stream_module.SEQUENCE_MAX), (boot + 2, 1)]
    assert last_boot(journal.entries) == boot + 2


def test_two_hosts_that_begin_at_once_number_apart() -> None:
    hosts = [KeptJournal(), KeptJournal()]
    for _ in range(2):
        for seat, journal in enumerate(hosts):
            put(SensorStream(journal, last_boot(journal.entries), NOW_NS, seat), 1)
    assert not set(hosts[0].identities()) & set(hosts[1].identities())


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"boot_id": "x"}'])
def test_a_damaged_snapshot_is_told(content: bytes) -> None:
    with pytest.raises(JournalError, match="damaged"):
        last_boot([Snapshot(0, content)])
