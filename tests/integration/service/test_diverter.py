"""A wheel-diverter line under the whole service: a piece passes each chute once."""

from plc_adapters.contract import Disposition
from tests.integration.service.conftest import Centre
from tests.integration.service.test_sorting import assert_late_is_told

LINE = """
[diverter]
speed_mm_s = 2000
eye_before_mm = 500
switch_ms = 200
min_gap_mm = 450
early_mm = 50
late_mm = 350
"""
PIECES = 80


def make_diverter(centre: Centre) -> None:
    """Turn the centre's loop into a conveyor with the same chutes."""

    def change(name: str, *pairs: tuple[str, str]) -> None:
        path = centre.folder / name
        text = path.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")

    change(
        "emulator.toml",
        ("[loop]\nlength_mm = 24000\nspeed_mm_s = 5000\ncell_pitch_mm = 300\n", LINE),
        ("lap_limit = 4", "lap_limit = 0"),
        ("position_mm = 20000", "position_mm = 2000"),
        ("pieces_per_hour = 54000", "pieces_per_hour = 7000"),
    )
    change("plan.toml", ("laps = 2", "laps = 0"))
    change(
        "site.toml",
        ('chutes = "chutes.csv", speed_mm_s = 5000',
         'kind = "diverter", chutes = "chutes.csv", speed_mm_s = 2000, reaction_ms = 270'),
    )  # fmt: skip
    centre.pieces = PIECES


def test_a_diverter_line_is_sorted_recorded_and_drawn(centre: Centre) -> None:
    make_diverter(centre)
    centre.start_plc(
        f"arrivals.pieces_max={PIECES}",
        "chances={no_read=0.02, slipping=0.02, lost=0.03, removed=0.03, discharge_failure=0.02}",
    )
    centre.start_service()
    centre.sort_all()
    centre.wait_recorded()
    centre.wait_ready()
    centre.wait_empty()
    status, line = centre.get("/lines/loop")
    assert status == 200
    assert line["ledger"]["inducted"] == centre.status["inducted"] == PIECES
    assert line["ledger"]["unexplained"] == 0
    assert line["counters"]["recirculated"] == line["counters"]["sorted_elsewhere"] == 0
    assert line["counters"]["malformed"] == line["counters"]["strays"] == 0
    assert line["dispositions"]["recirculated"] == 0
    assert line["dispositions"]["routed"] > 0
    assert_late_is_told(centre)
    assert centre.status["two_instructions"] == 0
    assert centre.status["discharged"]["sorted"] > 0
    assert centre.get("/lines/loop/picture")[1]["machine"] == "diverter"
    laps = centre.query("SELECT count(*) FROM piece WHERE lap > 0 OR disposition = $1",
                        int(Disposition.RECIRCULATED))  # fmt: skip
    assert laps[0][0] == 0
