"""A host that stands by tells how it stands, and nothing of pieces: the other host counts those."""

from plc_adapters.contract import EventKind
from tests.unit.outlets.conftest import Lab
from tests.unit.outlets.test_metrics import scrape, value


def test_only_the_host_that_has_the_line_counts_its_pieces(lab: Lab) -> None:
    lab.turn(lab.events(EventKind.INDUCTED, [1, 2]))
    lab.publish()
    told = scrape(lab)
    assert value(told, "sorter_pieces_inducted_total", line="loop-1") == 2
    assert value(told, "sorter_line_standby", line="loop-1") == 0
    lab.link.paired = lab.link.standby = True
    lab.publish()
    told = scrape(lab)
    assert value(told, "sorter_line_standby", line="loop-1") == 1
    assert value(told, "sorter_plc_connected", line="loop-1") == 1
    samples = [
        s for name in told if "pieces" in name or "chute" in name for s in told[name].samples
    ]
    assert not [s for s in samples if s.labels.get("line") == "loop-1"]


def test_takeovers_are_told_in_seconds(lab: Lab) -> None:
    link = lab.link
    link.paired, link.takeovers = True, 3
    link.takeover_ns, link.silence_seen_ns = 40_000_000, 5_000_000_000
    link.peer_seen_ns = lab.clock.now_ns()
    lab.publish()
    told = scrape(lab)
    assert value(told, "sorter_line_takeovers_total", line="loop-1") == 3
    assert value(told, "sorter_line_takeover_seconds", line="loop-1") == 0.04
    assert value(told, "sorter_line_silence_seen_timestamp_seconds", line="loop-1") == 5
    assert value(told, "sorter_line_peer_alive", line="loop-1") == 1
