"""A sorter that slips is noticed within a few pieces, and sorts none until it is put right."""

import os
import signal
from typing import Any

from tests.integration.service.conftest import Centre, until
from tests.integration.service.test_messages import sorter, told

SLIPS_S, RIGHT_AGAIN_S = 6, 60
SLIP = f"slips=[{{after_ms={SLIPS_S * 1000}, for_ms={(RIGHT_AGAIN_S - SLIPS_S) * 1000}, mm=1200}}]"
"""From then to then every piece lands one chute farther than it is sent."""

WAY = 60
"""More pieces than are inducted while one travels from the station to the last chute."""


def line(centre: Centre) -> dict[str, Any]:
    status, answer = centre.get("/lines/loop")
    return dict(answer) if status == 200 else {"quarantined": None, "dispositions": {}}


def accepted(centre: Centre, disposition: str) -> int:
    return int(line(centre)["dispositions"].get(disposition, 0))


def astray_now(centre: Centre, later: int = 0) -> int:
    """The sorter's own count of mis-sorts, once it has inducted so many more than are known now."""
    known = line(centre)["ledger"]["inducted"]
    centre.plc_until(lambda status: status["inducted"] >= known + later)
    return int(centre.status["astray"])


def test_a_slipped_sorter_is_quarantined_until_an_operator_releases_it(centre: Centre) -> None:
    centre.start_service()
    until(lambda: "can't connect" in told(centre, "loop"), "the service waits for its PLC")
    centre.start_plc(SLIP, "arrivals.pieces_max=0", "chances={no_read=0.01}")
    until(lambda: line(centre)["quarantined"], "the slip is noticed")
    assert "sorter line release" in told(centre, "loop")
    until(
        lambda: "quarantined: its pieces are found elsewhere than sent" in centre.log(),
        "the log tells it",
    )
    # What was about to leave as it was noticed still does; from here on nothing goes astray.
    astray = astray_now(centre, later=WAY)
    assert astray >= 5
    assert centre.service is not None
    os.killpg(centre.service.pid, signal.SIGKILL)
    centre.service.wait()
    centre.start_service()
    until(lambda: line(centre)["quarantined"], "the quarantine outlasts the process")
    before = accepted(centre, "quarantined")
    until(lambda: accepted(centre, "quarantined") > before + 20, "pieces go to its chutes")
    centre.plc_until(lambda status: status["seconds"] > RIGHT_AGAIN_S)
    assert centre.status["astray"] == astray
    result = sorter(centre, "line", "release", "--why", "encoder cleaned", "--config", "site.toml")
    assert (result.returncode, result.stdout) == (0, "line loop: quarantine released\n")
    before = accepted(centre, "routed")
    until(lambda: accepted(centre, "routed") > before + 50, "pieces are sorted again")
    assert not line(centre)["quarantined"]
    centre.wait_ready()
    assert astray_now(centre) == astray
    assert line(centre)["ledger"]["unexplained"] == 0
    assert line(centre)["counters"]["sorted_elsewhere"] == 0
