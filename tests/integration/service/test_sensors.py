"""Sensors beside a line: read, kept, recorded and shown, across deaths of their process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.service.conftest import Centre, until

SENSORS = """
[[sensor_links]]
name = "gateway"
link = {{ host = "127.0.0.1", port = {port}, timeout_ms = 2000 }}
period_ms = 100
silence_ms = 1000

[[sensor_links.sensors]]
name = "cold-room"
quantity = "temperature"
address = 60000
scale = 0.1
dead_band = 0.2
low = 0.0
high = 4.0
valid_min = -40.0
valid_max = 85.0

[[sensor_links.sensors]]
name = "store-humidity"
quantity = "humidity"
address = 60001
scale = 0.1
dead_band = 100.0
valid_min = 0.0
valid_max = 100.0

[[sensor_links.sensors]]
name = "not-there"
quantity = "temperature"
address = 60002
valid_min = -40.0
valid_max = 85.0
"""
EMULATED = """
[[sensors]]
name = "cold-room"
address = 60000
mean = 3.0
swing = 2.0
period_ms = 2000

[[sensors]]
name = "store-humidity"
address = 60001
mean = 55.0
"""


class Parts:
    """Processes of the service run alone, as under systemd."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, part: str) -> None:
        environment = {**os.environ, "SORTER_DATABASE_DSN": self._centre.dsn}
        config = str(self._centre.folder / "site.toml")
        with (self._centre.folder / f"{part}.log").open("ab") as log:
            self._running[part] = subprocess.Popen(
                [sys.executable, "-m", "sorter", "run", "--config", config, "--part", part],
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    def end(self, part: str, number: int) -> int:
        process = self._running.pop(part)
        process.send_signal(number)
        return process.wait(60)

    def end_all(self) -> None:
        for part in list(self._running):
            self.end(part, signal.SIGKILL)


@pytest.fixture
def parts(centre: Centre) -> Iterator[Parts]:
    for name, text in {
        "site.toml": SENSORS.format(port=centre.plc_port),
        "emulator.toml": EMULATED,
    }.items():
        with (centre.folder / name).open("a", encoding="utf-8") as file:
            file.write(text)
    running = Parts(centre)
    yield running
    running.end_all()


def sensors(centre: Centre) -> dict[str, dict[str, Any]]:
    status, content = centre.get("/sensors")
    return {s["name"]: s for s in content["sensors"]} if status == 200 else {}


def test_sensors_are_read_recorded_and_shown(centre: Centre, parts: Parts) -> None:
    centre.start_plc("arrivals.pieces_max=1")
    for part in ("sensors", "recorder", "face"):
        parts.start(part)
    until(lambda: sensors(centre).get("not-there", {}).get("status") == "silent", "all are told")
    until(lambda: sensors(centre)["cold-room"]["excursions"] > 0, "too warm for once")
    found = sensors(centre)
    assert found["store-humidity"]["reading"] == 55.0
    assert found["store-humidity"]["status"] == "within"
    assert "exception 2" in found["not-there"]["problem"]
    # The process dies; what was kept stays, and no number is used twice.
    boots = "SELECT count(DISTINCT boot_id) FROM event WHERE line = 'site.sensors'"
    until(lambda: centre.query(boots)[0][0] == 1, "the boot is recorded")
    parts.end("sensors", signal.SIGKILL)
    parts.start("sensors")
    until(lambda: centre.query(boots)[0][0] == 2, "both boots are recorded")
    (row,) = centre.query(
        "SELECT count(*) AS events, count(DISTINCT (boot_id, sequence)) AS numbers, "
        "min(kind) AS low, max(kind) AS high FROM event WHERE line = 'site.sensors'"
    )
    assert row["events"] == row["numbers"]
    assert (row["low"], row["high"]) == (7, 7)
    status, page = centre.get("/sensors/cold-room/history?limit=5")
    assert status == 200
    assert len(page["events"]) == 5
    assert {event["quantity"] for event in page["events"]} == {"temperature"}
    assert all(0.9 <= event["reading"] <= 5.1 for event in page["events"] if event["reading"])
    # A sensor that goes away is told as silent, and the record says so.
    centre.stop()
    until(lambda: sensors(centre)["cold-room"]["status"] == "silent", "silent")
    until(
        lambda: (
            centre.get("/sensors/cold-room/history?limit=1")[1]["events"][0]["status"] == "silent"
        ),
        "silence is recorded",
    )
    assert parts.end("sensors", signal.SIGTERM) == 0
