"""What the sensors process keeps in shared memory: each sensor as it stands, and its journal."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from plc_adapters.contract import Quantity, Records, SensorStatus
from sorter.clock import Clock
from sorter.config_sensors import SENSORS_MAX
from sorter.outlets.layout import HEAD, PROBLEM_BYTES, from_text, layout_hash, to_text
from sorter.outlets.mapped import BoardFile, BoardSource, Monotonic

_TEXTS = {"name": 32, "link": 32, "problem": PROBLEM_BYTES}
_REALS = ("reading", "low", "high")


@dataclass(frozen=True, slots=True)
class SensorView:
    """One sensor at an instant."""

    name: str
    link: str
    """The connection it is read over."""
    quantity: int
    """A Quantity."""
    status: int
    """A SensorStatus, 0 before the first reading or silence."""
    reading: float
    """In the quantity's unit, NaN where there is none."""
    low: float
    """NaN for no limit."""
    high: float
    read_ns: int
    """When it was last heard, 0 for never."""
    out_since_ns: int
    """Since when it is out of limits without a break, 0 while it is not."""
    out_ns: int
    """How long it was out of limits since the process began."""
    excursions: int
    reads: int
    failures: int
    reconnects: int
    """Of its connection."""
    problem: str
    """Why the newest attempt to read it failed."""

    @property
    def status_name(self) -> str:
        """The status in small letters, "waiting" before the first."""
        return SensorStatus(self.status).name.lower() if self.status else "waiting"

    @property
    def quantity_name(self) -> str:
        """The quantity in small letters."""
        return Quantity(self.quantity).name.lower()

    def age_s(self, now_ns: int) -> float:
        """Return the seconds since it was last heard; infinite for never."""
        return max(0, now_ns - self.read_ns) / 1e9 if self.read_ns else float("inf")


def _kind_of(name: str) -> str:
    if name in _TEXTS:
        return f"S{_TEXTS[name]}"
    return "f8" if name in _REALS else "i8"


SENSOR = np.dtype([(field.name, _kind_of(field.name)) for field in fields(SensorView)])
"""A SensorView."""
SENSOR_BOARD = np.dtype(
    [
        ("head", HEAD),
        ("generation", "i8"),
        ("now_ns", "i8"),
        ("journal_problem", f"S{PROBLEM_BYTES}"),
        ("count", "i8"),
        ("sensors", SENSOR, (SENSORS_MAX,)),
    ]
)
"""The board. ``generation`` is odd while it is written; ``now_ns`` is the process's own clock."""
SENSOR_BOARD_ID = layout_hash(SENSOR_BOARD)
READ_TRIES = 50
READ_PAUSE_S = 0.0002


class SensorBoardWriter:
    """The written side."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Make the board; raises UnavailableError where its file can't be made."""
        self._clock = clock
        self._file = BoardFile(path, SENSOR_BOARD, SENSOR_BOARD_ID, clock.now_ns())

    def update(self, sensors: Sequence[SensorView], journal_problem: str) -> None:
        """Tell how all sensors stand, and that the process lives.

        Args:
            sensors: At most SENSORS_MAX.
            journal_problem: What is wrong with the journal, empty while all is well.
        """
        record = self._file.record
        record["generation"] += 1
        record["now_ns"] = self._clock.now_ns()
        record["journal_problem"] = to_text(journal_problem, PROBLEM_BYTES)
        record["count"] = len(sensors)
        for row, sensor in zip(record["sensors"][0], sensors, strict=False):
            for name, value in asdict(sensor).items():
                row[name] = to_text(value, _TEXTS[name]) if name in _TEXTS else value
        record["generation"] += 1
        self._file.head["ready"] = 1
        self._file.beat()


@dataclass(frozen=True, slots=True)
class SensorsView:
    """All sensors at an instant."""

    now_ns: int
    """The instant, of the process's clock."""
    problem: str
    """Why this is not to be trusted (the process is dead or stuck), or its journal's problem."""
    alive: bool
    sensors: tuple[SensorView, ...]

    def sensor(self, name: str) -> SensorView | None:
        """Return a sensor by its name, None if there is none of that name."""
        return next((sensor for sensor in self.sensors if sensor.name == name), None)


class SensorBoardReader:
    """The reading side, across deaths and restarts of the process."""

    def __init__(self, path: Path, monotonic: Monotonic = time.monotonic_ns) -> None:
        self._source = BoardSource(path, SENSOR_BOARD_ID, "sensors", monotonic)

    def read(self) -> SensorsView:
        """Return how all sensors stand; UnavailableError where there is no board to read."""
        board: Records = np.ndarray(1, SENSOR_BOARD, self._source.bytes())
        record = _whole(board)
        dead = self._source.problem(record["head"])
        rows = record["sensors"][0][: int(record["count"][0])]
        return SensorsView(
            now_ns=int(record["now_ns"][0]),
            problem=dead or from_text(record["journal_problem"][0]),
            alive=not dead,
            sensors=tuple(SensorView(**_values(row)) for row in rows),
        )


def _values(row: np.void) -> dict[str, Any]:
    return {
        name: from_text(row[name]) if name in _TEXTS else row[name].item()
        for name in SENSOR.names or ()
    }


def _whole(board: Records) -> Records:
    """Return a copy that was not written to while it was made, if that can be had."""
    for _ in range(READ_TRIES):
        before = int(board["generation"][0])
        copy = board.copy()
        if before % 2 == 0 and before == int(board["generation"][0]):
            return copy
        time.sleep(READ_PAUSE_S)
    return copy
