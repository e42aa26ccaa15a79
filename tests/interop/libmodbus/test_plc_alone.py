"""The PLC in C against a bare Modbus client: it does what the printed map asks of a PLC."""

import time

import pytest

from tests.interop.libmodbus.conftest import SLOW, Event, NewHost, StartPlc

INDUCTED, SCANNED, INSTRUCTED, DISCHARGED, CHUTE_STATE, MACHINE_STATE = range(1, 7)
ACCEPTED, REFUSED_EPOCH, REFUSED_HELD, UNKNOWN_PIECE, TOO_LATE, MALFORMED = range(1, 7)
SORTED, NO_INSTRUCTION, HOST_SILENT, LAP_LIMIT = range(1, 5)
GRANTED_EPOCH, SILENT, ENDED = 18, 21, 30
LABELS = [f"]C0YT{number:013d}" for number in range(1, 21)]


def own_chute(event: Event) -> list[int]:
    return [1 + event.piece % 8]


@pytest.mark.parametrize("low_first", [False, True])
def test_twenty_pieces_go_where_they_were_sent(
    start_plc: StartPlc, new_host: NewHost, low_first: bool
) -> None:
    sort_twenty_pieces(start_plc, new_host, low_first=low_first)


def sort_twenty_pieces(start_plc: StartPlc, new_host: NewHost, *, low_first: bool) -> None:
    labels = [*LABELS[:18], "", "|".join([LABELS[0], "x" * 44, *LABELS[1:5]])]
    begin = 0xFFFFFFC0
    plc = start_plc(labels, *SLOW, "-r", "40", "-q", str(begin), *["-L"] * low_first)
    host = new_host(plc.port, low_first=low_first, read=begin)
    header = host.get(0, 40)
    text = [0x4241, 0x4443] if low_first else [0x4142, 0x4344]
    assert header[:6] == [*host.words(0x12345678), *text, 1, 256]
    host.to_the_end(own_chute)
    summary = plc.summary()
    assert (summary["complete"], summary["inducted"], summary["sorted"]) == (True, 20, 20)
    assert summary["chutes"] == [1 + piece % 8 for piece in range(1, 21)]
    assert (summary["accepted"], summary["overflow"]) == (20, 0)
    for piece, label in enumerate(labels, 1):
        kinds = [e.kind for e in host.events if e.piece == piece]
        assert kinds == [INDUCTED, SCANNED, INSTRUCTED, DISCHARGED]
        (seen,) = host.of(SCANNED, piece)
        assert seen.codes == [code[:40].encode() for code in label.split("|") if code][:4]
        assert seen.status == (0 if piece < 20 else 3)
        (echo,) = host.of(INSTRUCTED, piece)
        assert host.number(echo.slot, 20) == host.epoch
        assert echo.slot[23:28] == [1 + piece % 8, 0, 0, 0, 1]
        assert [host.number(echo.slot, at) for at in (28, 30)] == [7, 123]
    assert summary["head"] == host.read
    assert 0 < host.read < begin, "the sequences have wrapped"


def test_nothing_is_inducted_before_a_host_was_granted(
    start_plc: StartPlc, new_host: NewHost
) -> None:
    plc = start_plc(LABELS[:1], "-r", "100")
    watcher = new_host(plc.port, seat=1)
    time_at = watcher.header(10)
    while (watcher.header(10) - time_at) % 2**32 < 300:
        time.sleep(0.01)
    assert watcher.header(28) == 0
    assert watcher.get(9, 1) == [4]
    new_host(plc.port).to_the_end(own_chute)
    assert plc.summary()["inducted"] == 1


def test_each_answer_of_the_rules(start_plc: StartPlc, new_host: NewHost) -> None:
    plc = start_plc(LABELS[:1], *SLOW, "-r", "1")
    host = new_host(plc.port)
    host.until(lambda: host.of(INDUCTED), "inducted")
    wrong = [
        (host.instruct(1, 8, spoil=1), MALFORMED),
        (host.instruct(1, 0, 8), MALFORMED),
        (host.instruct(1, 800), MALFORMED),
        (host.instruct(1, 8, epoch=2), REFUSED_EPOCH),
        (host.instruct(2, 8), UNKNOWN_PIECE),
        (host.instruct(1, 8, lap=1), UNKNOWN_PIECE),
    ]
    right = [
        (host.instruct(1, 8), ACCEPTED),
        (host.instruct(1, 7), REFUSED_HELD),
        (host.instruct(1, 6, revision=2), ACCEPTED),
        (host.instruct(1, 5, revision=1), REFUSED_HELD),
    ]
    host.until(lambda: len(host.of(INSTRUCTED)) == 10, "ten answers")
    found = [(host.number(e.slot, 18), e.status) for e in host.of(INSTRUCTED)]
    assert found == wrong + right
    held = [e.slot[23] for e in host.of(INSTRUCTED)]
    assert held == [0, 0, 0, 0, 0, 0, 8, 8, 6, 6]
    host.to_the_end()
    summary = plc.summary()
    assert summary["chutes"] == [6]
    assert [summary[k] for k in ("accepted", "refused_held", "malformed")] == [2, 2, 3]


def test_an_answer_behind_the_chute_is_too_late(start_plc: StartPlc, new_host: NewHost) -> None:
    plc = start_plc(["", ""], "-r", "1")
    host = new_host(plc.port)
    host.until(lambda: host.of(SCANNED), "scanned")
    plc_time = host.number(host.of(SCANNED)[0].slot, 10)
    host.until(lambda: (host.header(10) - plc_time) % 2**32 > 1200, "past chute 1")
    host.instruct(1, 1)
    host.until(lambda: host.of(INSTRUCTED), "answered")
    host.to_the_end()
    assert host.of(INSTRUCTED)[0].status == TOO_LATE
    assert [e.status for e in host.of(DISCHARGED)] == [NO_INSTRUCTION] * 2
    assert plc.summary()["default_no_instruction"] == 2


def test_a_full_chute_is_told_and_passed_by(start_plc: StartPlc, new_host: NewHost) -> None:
    plc = start_plc(LABELS[:3], *SLOW, "-r", "20", "-f", "2,4")
    host = new_host(plc.port)

    def decide(event: Event) -> list[int] | None:
        if event.lap:
            return [7]
        return {1: [2, 5], 2: [4], 3: [6, 1]}[event.piece]

    host.to_the_end(decide)
    assert [(e.chute, e.status) for e in host.of(CHUTE_STATE)] == [(2, 2), (4, 2)]
    assert [e.status for e in host.of(SCANNED, 2)] == [0, 16]
    summary = plc.summary()
    assert summary["chutes"] == [5, 7, 6]
    assert summary["recirculated"] == 1


def test_a_piece_told_to_stay_on_ends_at_the_lap_limit(
    start_plc: StartPlc, new_host: NewHost
) -> None:
    chutes = "chute,position_mm\n9,2000\n"
    plc = start_plc(LABELS[:1], "-r", "20", chutes=chutes)
    host = new_host(plc.port)
    host.to_the_end(lambda event: [])
    (end,) = host.of(DISCHARGED)
    assert (end.status, end.lap, end.chute) == (LAP_LIMIT, 5, 9)
    assert plc.summary()["default_lap_limit"] == 1


def test_a_silent_host_sends_pieces_to_the_default_chute_until_another_takes_over(
    start_plc: StartPlc,
    new_host: NewHost,
) -> None:
    plc = start_plc(LABELS[:6], "-r", "1")
    first = new_host(plc.port, seat=1, epoch=5)
    first.until(lambda: first.of(INDUCTED), "inducted")
    second = new_host(plc.port, seat=0, epoch=6)
    assert second.put(40, [1, *second.words(6)]) == 0
    beat = first.beat
    first.until(lambda: first.beat > beat + 5, "five beats")
    assert first.header(GRANTED_EPOCH) == 5, "a claim counts for nothing while the host is alive"
    first.close()
    header = second.get(0, 40)
    while header[GRANTED_EPOCH + 1] == 5 or not header[SILENT]:
        time.sleep(0.01)
        header = second.get(0, 40)
    assert header[GRANTED_EPOCH : GRANTED_EPOCH + 3] == [0, 6, 0]
    ended = second.number(header, ENDED)
    while second.header(ENDED) == ended:
        time.sleep(0.01)
    assert second.put(624, [9, *second.words(4)]) == 0, "a late word of the host before"
    second.to_the_end(own_chute)
    assert second.of(DISCHARGED)[ended].status == HOST_SILENT
    summary = plc.summary()
    assert (summary["epoch"], summary["complete"]) == (6, True)
    assert summary["default_host_silent"] >= 1


def test_only_the_seats_can_be_written(start_plc: StartPlc, new_host: NewHost) -> None:
    plc = start_plc(LABELS[:1], "-r", "20")
    host = new_host(plc.port)
    for address, count in ((0, 1), (39, 2), (1207, 2), (1208, 1), (11_400, 1)):
        assert host.put(address, [7] * count) == 2
    assert host.put(623, [7]) == 0
    assert host.get(39, 1) == host.get(1208, 1) == [0]
    host.to_the_end(own_chute)
    assert plc.summary()["inducted"] == 1


def test_induction_holds_until_the_host_acknowledges(
    start_plc: StartPlc, new_host: NewHost
) -> None:
    plc = start_plc([""] * 120, "-r", "500")
    host = new_host(plc.port, acknowledging=False)
    host.until(lambda: host.header(28) > 60, "many pieces on the sorter")
    host.until(lambda: host.header(28) == host.header(30), "all of them have ended")
    head, inducted = host.header(12), host.header(28)
    beat = host.beat
    host.until(lambda: host.beat > beat + 50, "fifty more beats")
    assert (host.header(12), host.header(28), host.header(16)) == (head, inducted, 0)
    assert inducted < 120
    assert head <= 256
    host.acknowledging = True
    host.to_the_end()
    summary = plc.summary()
    assert (summary["ended"], summary["overflow"]) == (120, 0)
    assert len(host.of(DISCHARGED)) == 120
