"""The whole service sorts 1,000 pieces on a PLC that it shares nothing with but the printed map."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plc_adapters.contract import DischargeStatus
from tests.integration.service.conftest import Centre, until
from tests.interop.libmodbus.conftest import Plc, StartPlc

PIECES = 1000
CHUTES = "chute,position_mm,capacity_pieces\n" + "".join(
    f"{number},{10_000 + 1200 * number},{PIECES}\n" for number in range(1, 10)
)
"""5.6 s from the scanner to the first chute. Chutes 8 and 9 take what can't be read."""
SPEED_MM_S = 2000
"""Slow enough that a busy machine is not late."""
WAYBILLS = ["" if number % 50 == 0 else f"LXE{number:010d}" for number in range(1, PIECES + 1)]


def label(waybill: str, number: int) -> str:
    """What the scanner reads: nothing, a waybill, or a waybill and a product's code."""
    if not waybill:
        return ""
    return f"]C0{waybill}" + ("|]E06901234567892" if number % 5 == 0 else "")


RunAgainst = Callable[[str, int], tuple[Centre, Plc]]


@pytest.fixture
def run_against(tmp_path: Path, database: str, start_plc: StartPlc) -> Iterator[RunAgainst]:
    """A function that starts the PLC and the service on it: order of words, last sequence."""
    made: list[Centre] = []

    def start(order: str, last_sequence: int) -> tuple[Centre, Plc]:
        labels = [label(waybill, number) for number, waybill in enumerate(WAYBILLS)]
        options = ["-r", "80", "-v", str(SPEED_MM_S), "-q", str(last_sequence)]
        plc = start_plc(labels, *options, *["-L"] * (order == "little"), chutes=CHUTES)
        centre = Centre(tmp_path, database, PIECES)
        made.append(centre)
        (tmp_path / "chutes.csv").write_text(CHUTES)
        advice = "".join(f"{waybill},LANXI,next_day,320707\n" for waybill in WAYBILLS if waybill)
        (tmp_path / "pre_advice.csv").write_text(
            f"waybill,brand,service_class,destination\n{advice}"
        )
        site = (tmp_path / "site.toml").read_text()
        link = f'port = {plc.port}, word_order = "{order}", string_byte_order = "{order}"'
        site = site.replace(f"port = {centre.plc_port}", link)
        assert site.count("speed_mm_s = 5000") == 1
        site = site.replace("speed_mm_s = 5000", f"speed_mm_s = {SPEED_MM_S}")
        (tmp_path / "site.toml").write_text(site)
        centre.start_service()
        return centre, plc

    yield start
    for centre in made:
        centre.stop()
        sys.stdout.write(centre.log())  # shown if the test failed


@pytest.mark.parametrize(("order", "last_sequence"), [("big", 0), ("little", 2**32 - 2000)])
def test_a_thousand_pieces(run_against: RunAgainst, order: str, last_sequence: int) -> None:
    sort_a_thousand(run_against, order, last_sequence)


def sort_a_thousand(run_against: RunAgainst, order: str, last_sequence: int) -> None:
    """Let the service sort them all; nothing may be late, lost, doubled or in the wrong chute."""
    centre, plc = run_against(order, last_sequence)
    summary = plc.summary()
    centre.wait_recorded()
    assert summary["complete"]
    assert [summary[k] for k in ("inducted", "ended", "sorted")] == [PIECES] * 3
    assert summary["accepted"] == PIECES
    faults = ("refused_epoch", "refused_held", "unknown_piece", "too_late", "malformed", "overflow")
    assert [summary[name] for name in faults] == [0] * 6
    for chute, waybill in zip(summary["chutes"], WAYBILLS, strict=True):
        assert (chute in range(1, 8)) == bool(waybill), waybill
    rows = centre.query("SELECT piece_id, waybill, outcome, chute FROM piece ORDER BY piece_id")
    found = [(row["piece_id"], row["waybill"] or "", row["outcome"], row["chute"]) for row in rows]
    assert found == [
        (number, waybill, DischargeStatus.SORTED, chute)
        for number, (waybill, chute) in enumerate(zip(WAYBILLS, summary["chutes"], strict=True), 1)
    ]

    def settled() -> bool:
        view = centre.board()
        return view is not None and view.lines[0].ledger["discharged"] == PIECES

    until(settled, "the line's ledger has every piece")
    view = centre.board()
    assert view is not None
    ledger = view.lines[0].ledger
    assert [ledger[k] for k in ("inducted", "on_sorter", "unexplained")] == [PIECES, 0, 0]
    sequences = [row[0] for row in centre.query("SELECT sequence FROM event")]
    assert len(sequences) == len(set(sequences))
    # The highest itself may be missing: of a scan in several slots only the last one is recorded.
    wrapped = max(sequences) > 2**31 and min(sequences) < 2**31
    assert wrapped == bool(last_sequence), "the sequences wrap where they begin near the end"
