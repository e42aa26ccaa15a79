"""Pieces that only the upstream host knows: answered in time, late, never, or madly."""

import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from plc_adapters.contract import DischargeStatus, Disposition
from sorter.demo.host import Behaviour, MadeUpHost
from tests.integration.service.conftest import WAYBILLS, Centre, free_port, until
from tests.integration.service.test_plan_life import assert_decided_the_same_again
from tests.integration.service.test_sorting import (
    assert_nothing_is_lost_or_doubled,
    is_alive,
    pid_of,
    until_another_lives,
)

SITE = """
[upstream]
url = "http://127.0.0.1:{port}/destinations"
token = "open sesame"
silence_ms = 10000
attempts_max = 50
retry_first_ms = 50
retry_max_ms = 500
"""
TOKEN = "open-sesame"
D = Disposition
LATE = (D.HOST_LATE, D.DEFAULTED, D.LAP_LIMIT)
"""How pieces end on a machine that is too slow for its belt."""
CHUTES_OUT, CHUTES_BAD = set(range(1, 8)), {8, 9}
CHAINS = """
SELECT piece_id, array_agg(disposition ORDER BY lap, revision) AS chain
FROM decision GROUP BY line, boot_id, piece_id
"""


class Host:
    """The made-up host on a port of its own, which can be taken away and brought back."""

    def __init__(self, **behaviour: Any) -> None:
        table = {waybill: {"destination": "320707", "brand": "LANXI"} for waybill in WAYBILLS}
        self.port = free_port()
        self.made = MadeUpHost(table, Behaviour(token=TOKEN, **behaviour))
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread()

    def start(self) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.made.app, "127.0.0.1", self.port, log_config=None, lifespan="off",
                timeout_graceful_shutdown=0,
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until(lambda: self._server is not None and self._server.started, "the host serves")

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join(60)
            assert not self._thread.is_alive()
        self._server = None


@contextmanager
def hosted(centre: Centre, **behaviour: Any) -> Iterator[Host]:
    """Let the centre's pieces be known to a host alone."""
    host = Host(**behaviour)
    folder = centre.folder
    (folder / "pre_advice.csv").write_text("waybill,brand,service_class,destination\n")
    with (folder / "site.toml").open("a") as site:
        site.write(SITE.format(port=host.port).replace("open sesame", TOKEN))
    with (folder / "plan.toml").open("a") as plan:
        plan.write("\n[upstream]\n")
    host.start()
    try:
        yield host
    finally:
        host.stop()


def begin(centre: Centre, pieces: int) -> None:
    centre.pieces = pieces
    centre.start_plc("arrivals.pieces_max=" + str(pieces), "chances.no_read=0")
    centre.start_service()
    centre.wait_ready()


def until_ended(pid: int) -> None:
    until(lambda: not is_alive(pid), "it ended")


def end(centre: Centre) -> list[Any]:
    """Let all pieces leave; return their records."""
    centre.sort_all()
    centre.wait_recorded()
    assert_nothing_is_lost_or_doubled(centre)
    return centre.query("SELECT * FROM piece WHERE outcome NOT IN (5, 6)")


def metrics(centre: Centre) -> dict[str, float]:
    url = f"http://127.0.0.1:{centre.http_port}/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def metric(centre: Centre, name: str, **labels: str) -> float:
    """The sum of a metric's children that have these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(
        value
        for key, value in metrics(centre).items()
        if key.partition("{")[0] == f"sorter_upstream_{name}" and all(w in key for w in wanted)
    )


def test_answers_in_time_sort_each_piece_by_what_the_host_said(centre: Centre) -> None:
    with hosted(centre, delay_ms=(0, 300), twice=0.2, preface=b"<html>\n\n\x00\xff\n") as host:
        for waybill in WAYBILLS[::10]:
            host.made.table[waybill] = {"destination": "320707", "holds": ["INTERCEPTED"]}
        for waybill in WAYBILLS[5::10]:
            del host.made.table[waybill]
        begin(centre, 150)
        pieces = end(centre)
        assert host.made.books.versions == {"1"}
        by_waybill = {piece["waybill"]: piece for piece in pieces}
        held = [by_waybill[w] for w in WAYBILLS[::10] if w in by_waybill]
        unknown = [by_waybill[w] for w in WAYBILLS[5::10] if w in by_waybill]
        assert D.INTERCEPTED in {D(piece["disposition"]) for piece in held}
        assert {D(piece["disposition"]) for piece in held} <= {D.INTERCEPTED, *LATE}
        assert {D(piece["disposition"]) for piece in unknown} <= {D.UNKNOWN_DESTINATION, *LATE}
        for piece in pieces:
            if piece["outcome"] == DischargeStatus.SORTED:
                routed = piece["disposition"] == D.ROUTED
                assert piece["chute"] in (CHUTES_OUT if routed else CHUTES_BAD)
                assert piece["destination"] == (320707 if routed else piece["destination"])
        assert D.ROUTED in {piece["disposition"] for piece in pieces}
        assert metric(centre, "answers_total", result="in_time") > 0
        assert metric(centre, "failures_total", cause="garbage") > 0
        assert metric(centre, "answers_unasked_total") > 0
        assert metric(centre, "up") == 1
    assert centre.log().count("a line that is no answer") == 1
    assert_decided_the_same_again(centre)


def test_an_answer_after_the_last_chute_serves_the_next_lap(centre: Centre) -> None:
    # The last chute is 2.6 s behind the scanner, a lap takes 4.8 s.
    with hosted(centre, delay_ms=(3000, 4000)):
        begin(centre, 60)
        pieces = end(centre)
    chains = [tuple(row["chain"]) for row in centre.query(CHAINS)]
    whole = (D.AWAITING_HOST, D.RECIRCULATED, D.ROUTED)
    assert whole in chains, chains
    assert all(D.AWAITING_HOST in chain for chain in chains if D.ROUTED in chain), chains
    routed = [piece for piece in pieces if piece["disposition"] == D.ROUTED]
    assert {piece["chute"] for piece in routed} <= CHUTES_OUT
    assert min(piece["lap"] for piece in routed) >= 1
    status, told = centre.get(f"/pieces/loop/{routed[0]['boot_id']}/{routed[0]['piece_id']}")
    assert status == 200
    upstream = told["pieces"][0]["upstream"]
    assert (upstream["late"], upstream["answers"][0]["said"]) == (False, "known")
    assert upstream["answered_after_ms"] >= 2_000


def test_without_an_answer_pieces_end_in_the_plans_chute_with_their_disposition(
    centre: Centre,
) -> None:
    with hosted(centre, loss=1.0) as host:
        begin(centre, 60)
        pieces = end(centre)
        late = [piece for piece in pieces if piece["disposition"] == D.HOST_LATE]
        assert late
        assert {D(piece["disposition"]) for piece in pieces} <= set(LATE)
        assert {p["chute"] for p in late if p["outcome"] == DischargeStatus.SORTED} <= CHUTES_BAD
        assert {piece["lap"] for piece in late} - {0}
        until(lambda: metric(centre, "pieces_unanswered_total") >= len(late), "all are counted")
        assert metric(centre, "up") == 0
        assert host.made.books.repeats > 0
        # Sorting goes on: the site is ready, and tells what is degraded.
        status, told = centre.get("/readyz?verbose")
        assert status == 200
        (check,) = [check for check in told["checks"] if check["name"] == "upstream host"]
        assert check["ok"]
        assert check["reason"].startswith("degraded: http://127.0.0.1:")
    assert centre.log().count("; pieces without a destination wait") == 1


@pytest.mark.parametrize("what", ["host", "face", "line"])
def test_what_is_killed_while_pieces_wait_serves_them_once_it_is_back(
    centre: Centre, what: str
) -> None:
    with hosted(centre, delay_ms=(500, 1500)) as host:
        begin(centre, 150)
        for inducted in (40, 90):
            centre.plc_until(lambda s, n=inducted: s["inducted"] >= n)  # type: ignore[misc]
            if what == "host":
                host.stop()
                centre.plc_until(lambda s, n=inducted: s["inducted"] >= n + 15)  # type: ignore[misc]
                host.start()
                continue
            pid = pid_of(centre, what)
            os.kill(pid, signal.SIGKILL)
            if what == "line":
                until_another_lives(centre, pid)
            else:
                until_ended(pid)
        pieces = end(centre)
        centre.wait_ready()
        answered = metric(centre, "answers_total", result="in_time")
        assert answered > 0
    routed = [piece for piece in pieces if piece["disposition"] == D.ROUTED]
    assert {piece["chute"] for piece in routed} <= CHUTES_OUT
    # The newest were asked for after all was well again.
    assert max(piece["piece_id"] for piece in routed) > 90
    for piece in pieces:
        waited = (D.ROUTED, D.RECIRCULATED, D.HOST_LATE, D.AWAITING_HOST, D.DEFAULTED, D.LAP_LIMIT)
        assert piece["disposition"] in waited
