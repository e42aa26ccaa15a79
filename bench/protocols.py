"""Event to instruction by peer and protocol: the adapter against a bare loop over the same wire.

Open loop: the PLC's program inducts at its own pace and measures from the instant a piece is due at
its scanner until it holds the accepted answer. Program and host are processes of their own, and the
peer is a third one: so each figure holds two exchanges of the program with its peer, the same for
both hosts. Over OPC UA the adapter runs twice: polling as the bare loop does, and woken by its
subscription with a poll period of 100 ms.
"""

import asyncio
import json
import logging
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.bare_loop import BareLoop
from bench.report import Figure, Report, against, figure, hash_of, machine
from plc_adapters.contract import INSTRUCTION, AnswerStatus, EventKind, Resume
from plc_adapters.host.adapter import HostAdapter
from tests.conformance.harness import MODBUS, PEERS, Peer, Plc, start_peer, way_to
from tests.integration.opcua.conftest import Pair, Pki, make_pki

RATE = 30
"""Pieces a second, as the program of the conformance tests inducts them."""
SECONDS, SECONDS_SMALL = 30, 3
WARM_UP = 5
"""Accepted answers before the time begins to count."""
START_S = 60.0
"""Longest wait for them."""
POLL_MS, WOKEN_POLL_MS = 5, 100


async def _answer(adapter: HostAdapter, stop: asyncio.Event) -> None:
    """Answer every scan with the same chute through the adapter."""
    await adapter.open(Resume())
    while not stop.is_set():
        events = await adapter.read()
        scans = events[events["kind"] == EventKind.SCANNED]
        if len(scans):
            instructions = np.zeros(len(scans), INSTRUCTION)
            instructions["piece_id"], instructions["lap"] = scans["piece_id"], scans["lap"]
            instructions["chutes"][:, 0] = 1
            instructions["deadline_ns"] = scans["event_ns"] + 1_000_000_000
            await adapter.write(instructions)
        if len(events):
            adapter.acknowledge(int(events["sequence"][-1]))
    await adapter.close()


async def _host(kind: str, name: str, port: int, pki: Pki) -> None:
    """Be one of the hosts until told to end."""
    # That a poll of 5 ms needs no subscription is meant here.
    logging.disable(logging.WARNING)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    poll_ms = WOKEN_POLL_MS if kind == "woken" else POLL_MS
    link, make_wire = way_to(name, port, pki, {"poll_period_ms": poll_ms})
    if kind == "bare":
        await BareLoop(make_wire()).run(stop)
    else:
        await _answer(HostAdapter(0, link, time.time_ns, make_wire), stop)


async def _measure(
    kind: str, peer: Peer, pki_folder: Path, folder: Path, seconds: int
) -> tuple[Figure, str]:
    """Have one host answer one peer's PLC for so long; return its figure and what it counted."""
    plc = Plc(peer, folder)
    await plc.start()
    command = ["-m", "bench.protocols", kind, peer.name, str(peer.port), str(pki_folder)]
    host = subprocess.Popen([sys.executable, *command])  # noqa: ASYNC220 - it only starts here
    tally = plc.sorter.tally
    try:
        deadline = time.monotonic() + START_S
        while tally.answers[AnswerStatus.ACCEPTED] < WARM_UP:
            if time.monotonic() > deadline:
                raise RuntimeError(f"protocols: {kind} on {peer.name} never answered")
            await asyncio.sleep(0.05)
        before = dict(tally.latency.spectrum())
        await asyncio.sleep(seconds)
        values = list(_since(before, tally.latency.spectrum()))
        counted = json.dumps([peer.name, kind, tally.two_instructions, tally.revised])
    finally:
        host.terminate()
        await asyncio.to_thread(host.wait)
        await plc.stop()
    return figure(f"{kind}, {peer.name}", "us", np.array(values, float)), counted


def _since(before: dict[int, int], after: list[tuple[int, int]]) -> Iterator[int]:
    for upper_us, number in after:
        yield from [upper_us] * (number - before.get(upper_us, 0))


def run(*, small: bool) -> Report:
    """Measure every peer that is a process; ``small`` for seconds instead of minutes."""
    seconds = SECONDS_SMALL if small else SECONDS
    figures: list[Figure] = []
    counts: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sorter-bench-") as name:
        folder = Path(name)
        pki = make_pki(folder / "pki")
        for peer_name in PEERS[1:]:
            peer = start_peer(peer_name, pki, folder)
            kinds = ("bare", "polled") if peer_name in MODBUS else ("bare", "polled", "woken")
            try:
                of_peer = []
                for kind in kinds:
                    one, counted = asyncio.run(
                        _measure(kind, peer, folder / "pki", folder, seconds)
                    )
                    of_peer.append(one)
                    counts.append(counted)
            finally:
                peer.end()
            bare = of_peer[0]
            figures += [bare, *(against(one, bare) for one in of_peer[1:])]
    return Report("protocols", figures, hash_of(*(c.encode() for c in counts)), machine())


def _pki_in(folder: Path) -> Pki:
    return Pki(*(Pair(folder / n / f"{n}.der", folder / n / f"{n}.key") for n in Pki._fields))


if __name__ == "__main__":
    asyncio.run(_host(sys.argv[1], sys.argv[2], int(sys.argv[3]), _pki_in(Path(sys.argv[4]))))
