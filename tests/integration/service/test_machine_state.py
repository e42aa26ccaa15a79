"""A sorter with PackML: its state in words everywhere, and pieces that come when none should."""

import urllib.request

from tests.integration.service.conftest import Centre, until
from tests.integration.service.test_sorting import assert_nothing_is_lost_or_doubled

HALTS = (
    'halts=[{after_ms=8000, for_ms=6000, state="held"}, '
    '{after_ms=20000, for_ms=6000, state="suspended"}]'
)
WARNED = "pieces are inducted though its PLC says that the sorter is"


def start(centre: Centre, *settings: str) -> None:
    """Start the sorter, whose time then runs, once a service is there for it."""
    centre.start_service()
    until(lambda: (view := centre.board()) is not None and view.ready, "the line is ready")
    until(lambda: centre.get("/lines")[0] == 200, "the face is ready")
    centre.start_plc("plc.packml=true", HALTS, *settings)


def state(centre: Centre) -> str:
    status, lines = centre.get("/lines")
    word: str = lines["lines"][0]["link"]["machine_state"] if status == 200 else ""
    return word


def metric(centre: Centre, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{centre.http_port}/metrics") as answer:
        text = answer.read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def test_held_and_suspended_are_shown_apart_and_nothing_is_inducted(centre: Centre) -> None:
    start(centre, "arrivals.pieces_per_hour=36000")
    for word in ("held", "execute", "suspended", "execute"):
        until(lambda w=word: state(centre) == w, f"the sorter is {word}")  # type: ignore[misc]
        if word in ("held", "suspended"):
            name = f'sorter_machine_state{{line="loop",site="test",state="{word}"}}'
            until(lambda n=name: metric(centre, n) == 1, f"{name} is 1")  # type: ignore[misc]
    centre.sort_all()
    centre.wait_recorded()
    assert_nothing_is_lost_or_doubled(centre)
    told = [
        row["status"]
        for row in centre.query("SELECT status FROM event WHERE kind = 6 ORDER BY sequence")
    ]
    after_start = told[told.index(106) :]
    assert after_start == [106, 110, 111, 112, 106, 113, 105, 114, 106]
    assert metric(centre, "sorter_inductions_outside_execute_total") == 0
    assert WARNED not in centre.log()


def test_pieces_that_come_while_it_is_held_are_counted_and_told_once(centre: Centre) -> None:
    start(centre, "faults.inducts_always=true")
    centre.sort_all()
    centre.wait_recorded()
    # What is inducted is sorted all the same: the piece is there.
    assert_nothing_is_lost_or_doubled(centre)
    until(lambda: metric(centre, "sorter_inductions_outside_execute_total") > 5, "counted")
    until(lambda: WARNED in centre.log(), "told")
    assert centre.log().count(WARNED) <= 3, "once an episode: at the start, and for each halt"
