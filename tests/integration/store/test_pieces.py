"""Histories: what the face and ``sorter trace`` are told of a piece."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plc_adapters.contract import DischargeStatus, Disposition, ScanStatus
from sorter.cli.trace import MISSORT_CAUSES, render
from sorter.errors import UnavailableError
from sorter.ports import PIECE, Batch, HoldKind, HostAnswer, MissortCause
from sorter.store.embedded import EmbeddedPostgres
from sorter.store.pieces import PIECES_MAX, RECORDS_PER_PIECE_MAX, PieceHistories
from sorter.store.plans import CommandRow
from sorter.store.records import RecordStore
from tests.integration.store.conftest import NOW_NS, SetClock, ask, batch, put, until

LINE = "loop-1"
SECOND = 10**9


def record(dsn: str, *batches: Batch, line: str = LINE) -> None:
    async def run() -> None:
        store = RecordStore(dsn, 30, SetClock())
        await store.write(line, batches, (1, 1))
        await store.close()

    asyncio.run(run())


def history(dsn: str, code: str) -> Any:
    async def run() -> Any:
        histories = PieceHistories(dsn)
        await histories.open()
        try:
            await histories.ping()
            return await histories.piece_history(code)
        finally:
            await histories.close()

    found = asyncio.run(run())
    json.dumps(found, allow_nan=False)
    return found


def keys(found: Any) -> list[tuple[str, int, int]]:
    return [(piece["line"], piece["boot_id"], piece["piece_id"]) for piece in found["pieces"]]


@pytest.mark.parametrize("code", ["QH1234567890", "3", "loop-1/7/3"])
def test_a_piece_is_found_by_each_of_its_names(dsn: str, code: str) -> None:
    whole = batch(3)
    whole.events["status"][1] = ScanStatus.CODE_CUT
    whole.events["weight_g"][1] = 1_200
    whole.pieces["slack_ms"] = 2**31 - 1
    record(dsn, whole, batch(4, waybill=b"OTHER"))
    found = history(dsn, code)
    assert found["code"] == code
    assert keys(found) == [(LINE, 7, 3)]
    piece = found["pieces"][0]
    assert piece["in_flight"] is False
    assert piece["outcome"] == "sorted"
    assert piece["disposition"] == "routed"
    assert piece["waybill"] == "QH1234567890"
    assert piece["chute"] == 12
    assert piece["slack_ms"] is None
    assert piece["scanned_at"] is None
    events = piece["events"]
    assert [event["kind"] for event in events] == [
        "inducted", "scanned", "instructed", "discharged",
    ]  # fmt: skip
    assert events[1]["flags"] == ["code_cut"]
    assert events[1]["codes"] == ["QH1234567890"]
    assert (events[0]["weight_g"], events[1]["weight_g"]) == (None, 1_200)
    assert events[2]["status"] == "accepted"
    assert events[2]["chutes"] == [12]
    assert events[3]["status"] == "sorted"
    moment = np.datetime64(int(whole.events["event_ns"][0]) // 10**6, "ms")
    assert events[0]["event_at"] == f"{moment}+00:00"
    assert [decision["disposition"] for decision in piece["decisions"]] == ["routed"]


@pytest.mark.parametrize("code", ["QH1234567890", "3", "loop-1/7/3"])
def test_a_piece_in_flight_is_found(dsn: str, code: str) -> None:
    whole = batch(3)
    record(dsn, Batch(0, whole.events[:3], whole.decisions, np.empty(0, PIECE)))
    piece = history(dsn, code)["pieces"][0]
    assert piece["in_flight"] is True
    assert piece["waybill"] == "QH1234567890"
    assert "outcome" not in piece
    assert len(piece["events"]) == 3


@pytest.mark.parametrize("cause", list(MissortCause))
def test_a_piece_that_went_elsewhere_tells_its_cause(dsn: str, cause: MissortCause) -> None:
    whole = batch(3)
    whole.pieces["cause"], whole.pieces["first_chute"] = cause, 9
    record(dsn, whole)
    found = history(dsn, "3")
    text = "\n".join(render(found))
    if cause is MissortCause.NONE:
        assert found["pieces"][0]["missort_cause"] is None
        assert "first assigned" not in text
    else:
        name = cause.name.lower()
        assert found["pieces"][0]["missort_cause"] == name
        assert f"first assigned to chute 9; {name}: {MISSORT_CAUSES[name]}" in text


def asked_of_host(*steps: tuple[Disposition, HostAnswer, int]) -> Batch:
    """A piece decided so, second by second."""
    whole = batch(3)
    decisions = np.repeat(whole.decisions, len(steps))
    for second, (decision, (disposition, answer, holds)) in enumerate(
        zip(decisions, steps, strict=True)
    ):
        decision["disposition"], decision["revision"] = disposition, second
        decision["decided_ns"] += second * SECOND
        decision["host_answer"], decision["host_holds"] = answer, holds
        decision["destination"] = 320706 if answer == HostAnswer.KNOWN else 0
    return Batch(0, whole.events[:3], decisions, np.empty(0, PIECE))


def test_what_the_upstream_host_was_asked_and_said(dsn: str) -> None:
    waits, late = Disposition.AWAITING_HOST, Disposition.HOST_LATE
    nothing, known = HostAnswer.NONE, HostAnswer.KNOWN
    record(
        dsn,
        asked_of_host(
            (waits, nothing, 0), (late, nothing, 0), (Disposition.ROUTED, known, 0),
            (Disposition.DAMAGED, known, HoldKind.DAMAGED),
        ),
    )  # fmt: skip
    found = history(dsn, "3")
    piece = found["pieces"][0]
    told = piece["upstream"]
    assert (told["asked"], told["answered_after_ms"], told["late"]) == (2, 2000, True)
    assert told["asked_at"] == piece["decisions"][0]["decided_at"]
    assert told["answered_at"] == piece["decisions"][2]["decided_at"]
    assert [(a["said"], a["destination"], a["holds"]) for a in told["answers"]] == [
        ("known", 320706, []), ("known", 320706, ["DAMAGED"]),
    ]  # fmt: skip
    assert [d["host"] and d["host"]["said"] for d in piece["decisions"]] == [
        None, None, "known", "known",
    ]  # fmt: skip
    text = "\n".join(render(found))
    assert "2 times: answered after 2000 ms, late: destination 320706" in text
    assert "as the upstream host said: destination 320706, holds DAMAGED" in text


@pytest.mark.parametrize(
    ("steps", "late", "told"),
    [
        ([Disposition.AWAITING_HOST], False, ": no answer yet"),
        ([Disposition.AWAITING_HOST, Disposition.HOST_LATE], True, ": no answer in time"),
    ],
)
def test_a_piece_without_the_hosts_answer(
    dsn: str, steps: list[Disposition], late: bool, told: str
) -> None:
    record(dsn, asked_of_host(*((step, HostAnswer.NONE, 0) for step in steps)))
    found = history(dsn, "3")
    upstream = found["pieces"][0]["upstream"]
    assert (upstream["late"], upstream["answers"], upstream["answered_at"]) == (late, [], None)
    assert told in "\n".join(render(found))


def test_a_host_that_does_not_know_the_piece_has_answered(dsn: str) -> None:
    record(dsn, batch(4), asked_of_host(
        (Disposition.AWAITING_HOST, HostAnswer.NONE, 0),
        (Disposition.UNKNOWN_DESTINATION, HostAnswer.UNKNOWN, 0),
    ))  # fmt: skip
    assert "answered after 1000 ms: it does not know the piece" in "\n".join(
        render(history(dsn, "3"))
    )
    assert history(dsn, "4")["pieces"][0]["upstream"] is None


@pytest.mark.parametrize(
    "code", ["nobody", "99", "loop-1/7/99", "loop-1/8/3", "other/7/3", "0", "99999999999", "a/b/c"]
)
def test_an_unknown_code_is_none(dsn: str, code: str) -> None:
    record(dsn, batch(3))
    assert history(dsn, code) is None


def test_a_waybill_of_any_bytes_is_found(dsn: str) -> None:
    odd = batch(1)
    for records in (odd.decisions, odd.pieces):
        put(records["waybill"][0], "连云港\\".encode() + b"\xff")
        records["waybill_length"] = 11
    chinese = batch(2, waybill="连云港".encode())
    record(dsn, odd, chinese)
    assert keys(history(dsn, "连云港\\x5c\\xff")) == [(LINE, 7, 1)]
    assert keys(history(dsn, "连云港")) == [(LINE, 7, 2)]


def test_a_number_may_be_a_waybill_and_a_piece_id(dsn: str) -> None:
    record(dsn, batch(1, waybill=b"2"), batch(2))
    assert sorted(keys(history(dsn, "2"))) == [(LINE, 7, 1), (LINE, 7, 2)]


def test_the_newest_pieces_are_told_first(dsn: str) -> None:
    record(dsn, batch(1, PIECES_MAX + 5))
    found = keys(history(dsn, "QH1234567890"))
    assert [piece for _, _, piece in found] == list(range(PIECES_MAX + 5, 5, -1))


def test_a_piece_of_too_many_events_is_told_in_part(dsn: str) -> None:
    many = batch(1, RECORDS_PER_PIECE_MAX)
    many.events["piece_id"] = 1
    record(dsn, Batch(0, many.events, many.decisions[:1], many.pieces[:1]))
    events = history(dsn, "loop-1/7/1")["pieces"][0]["events"]
    assert len(events) == RECORDS_PER_PIECE_MAX
    assert events[0]["sequence"] == 4


def test_lines_and_boots_are_apart(dsn: str) -> None:
    other = batch(1, at_ns=NOW_NS + SECOND)
    for records in other[1:]:
        records["boot_id"] = 8
    record(dsn, batch(1), other)
    record(dsn, batch(1, at_ns=NOW_NS + 2 * SECOND), line="loop-2")
    assert keys(history(dsn, "1")) == [("loop-2", 7, 1), (LINE, 8, 1), (LINE, 7, 1)]
    assert keys(history(dsn, "loop-1/8/1")) == [(LINE, 8, 1)]


def test_codes_that_have_no_name_are_told_by_number(dsn: str) -> None:
    odd = batch(1)
    odd.events["kind"][0] = 99
    odd.pieces["outcome"] = 77
    odd.events["status"][3] = DischargeStatus.LOST
    record(dsn, odd)
    piece = history(dsn, "1")["pieces"][0]
    assert piece["outcome"] == "77"
    assert [event["kind"] for event in piece["events"]][:2] == ["99", "scanned"]
    assert piece["events"][3]["status"] == "lost"


def test_a_database_without_tables_is_told(dsn: str) -> None:
    with pytest.raises(UnavailableError, match="no records yet; start the recorder"):
        history(dsn, "QH1")


def test_what_a_line_was_told_is_read_page_by_page(dsn: str) -> None:
    at = datetime(2026, 11, 26, 4, tzinfo=UTC)
    kinds = ["activate", "lock", "rollback", "lock", "activate"]
    rows = [
        # Two at one instant; one of a log that began anew, with lower numbers at a later instant.
        CommandRow(LINE, 1 + n % 4, at + timedelta(seconds=n // 2), kind, n, 0, 0, "", "ann", "why")
        for n, kind in enumerate(kinds, 1)
    ]

    async def write() -> None:
        store = RecordStore(dsn, 30, SetClock())
        await store.write(LINE, [batch(1)], (1, 1))
        await store.write_commands(rows)
        await store.write_commands([rows[0]._replace(line="loop-2")])
        await store.close()

    async def read(*actions: str, limit: int) -> list[list[int]]:
        histories = PieceHistories(dsn)
        await histories.open()
        pages: list[list[int]] = []
        before: str | None = ""
        while before is not None:
            page = await histories.line_commands(LINE, list(actions), before, limit)
            json.dumps(page)
            pages.append([command["version"] for command in page["commands"]])
            before = page["next_before"]
        await histories.close()
        return pages

    asyncio.run(write())
    assert asyncio.run(read(limit=2)) == [[5, 4], [3, 2], [1]]
    assert asyncio.run(read(limit=5)) == [[5, 4, 3, 2, 1]]
    assert asyncio.run(read("activate", "rollback", limit=2)) == [[5, 3], [1]]


def test_many_questions_share_few_connections(dsn: str) -> None:
    record(dsn, batch(1))
    used = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sorter face'"

    async def run() -> None:
        histories = PieceHistories(dsn)
        await histories.open()
        await histories.open()
        found = await asyncio.gather(*(histories.piece_history("1") for _ in range(30)))
        assert all(found)
        used_now = (await asyncio.to_thread(ask, dsn, used))[0][0]
        assert 1 <= used_now <= 4
        await histories.close()
        await histories.close()

    asyncio.run(run())
    until(lambda: ask(dsn, used) == [(0,)])


def test_histories_outlive_a_restart_of_the_server(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        record(server.dsn, batch(1))

        async def run() -> None:
            histories = PieceHistories(server.dsn)
            await histories.open()
            assert await histories.piece_history("1")
            await asyncio.to_thread(server.stop)
            with pytest.raises(UnavailableError):
                await histories.ping()
            await asyncio.to_thread(server.start)
            assert await histories.piece_history("1")
            await histories.close()

        asyncio.run(run())
