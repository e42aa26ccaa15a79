"""Builds the PLC in C, starts it, and speaks to it with nothing but a Modbus client."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
from pymodbus import ModbusException
from pymodbus.client import ModbusTcpClient

from tests.integration.service.conftest import database, postgres
from tests.interop.compiler import compiled

__all__ = ["database", "postgres"]
"""Fixtures of the service's own tests, used here as well."""

SOURCES = sorted(Path(__file__).parent.glob("*.c"))
WAIT_S = 600.0
"""Longest wait for what must come; a machine under load is slow, not wrong."""


@pytest.fixture(scope="session")
def plc_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The PLC, compiled."""
    return compiled(tmp_path_factory.mktemp("libmodbus") / "plc", SOURCES)


@dataclass
class Plc:
    """A running PLC; ``summary`` waits for its end."""

    process: subprocess.Popen[str]
    port: int

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def summary(self) -> dict[str, Any]:
        try:
            rest, _ = self.process.communicate(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            rest, _ = self.process.communicate(timeout=WAIT_S)
            raise AssertionError(f"the PLC did not come to its end: {rest}") from None
        assert self.process.returncode == 0
        summary: dict[str, Any] = json.loads(rest)
        return summary


StartPlc = Callable[..., Plc]
CHUTES = "chute,position_mm,capacity_pieces\n" + "".join(
    f"{number},{2000 + 200 * number},100\n" for number in range(1, 10)
)
"""At 2 m/s: chute n is 1 s and n x 100 ms behind the scanner; a lap takes 2 s."""
SLOW = ("-v", "400")
"""Chute n is 5 s and n x 500 ms behind the scanner: where each answer must be in time."""


@pytest.fixture
def start_plc(plc_binary: Path, tmp_path: Path) -> Iterator[StartPlc]:
    """A function that starts a PLC for the given labels; all it started are ended."""
    started: list[subprocess.Popen[str]] = []

    def start(labels: list[str], *options: str, chutes: str = CHUTES, default: int = 9) -> Plc:
        (tmp_path / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
        (tmp_path / "plc_chutes.csv").write_text(chutes)
        command = [str(plc_binary), "-n", str(len(labels)), "-l", str(tmp_path / "labels.txt")]
        command += ["-c", str(tmp_path / "plc_chutes.csv"), "-d", str(default), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return Plc(process, json.loads(process.stdout.readline())["port"])

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=WAIT_S)


@dataclass
class Event:
    """An event as its first slot tells it, with the codes of all its slots."""

    sequence: int
    kind: int
    status: int
    piece: int
    chute: int
    lap: int
    codes: list[bytes]
    slot: list[int]


Decide = Callable[[Event], list[int] | None]


@dataclass
class Host:
    """A host that knows the printed map only: heartbeat, claim, acknowledgement, instructions."""

    port: int
    seat: int = 0
    epoch: int = 1
    low_first: bool = False
    read: int = 0
    written: int = 0
    acknowledging: bool = True
    beat: int = 0
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = ModbusTcpClient("127.0.0.1", port=self.port, timeout=10, retries=0)
        assert self.client.connect()  # type: ignore[no-untyped-call]
        self.at = (40, 624)[self.seat]

    def words(self, value: int) -> list[int]:
        pair = [value >> 16, value & 0xFFFF]
        return pair[::-1] if self.low_first else pair

    def number(self, registers: list[int], at: int) -> int:
        high, low = registers[at : at + 2][:: -1 if self.low_first else 1]
        return high << 16 | low

    def get(self, address: int, count: int) -> list[int]:
        answer = self.client.read_holding_registers(address, count=count)
        assert not answer.isError(), answer
        return list(answer.registers)

    def put(self, address: int, values: list[int]) -> int:
        """Write; return the exception code, 0 for none."""
        return int(self.client.write_registers(address, values).exception_code)

    def header(self, at: int) -> int:
        return self.number(self.get(0, 40), at)

    def step(self) -> list[Event]:
        """Beat, acknowledge, and return the events that are new."""
        self.beat = (self.beat + 1) & 0xFFFF
        head = [self.beat, *self.words(self.epoch)]
        if self.acknowledging:
            head += self.words(self.read)
        assert self.put(self.at, head) == 0
        new: list[Event] = []
        while self.take_slot(new):
            pass
        self.events += new
        return new

    def take_slot(self, new: list[Event]) -> bool:
        expected = 1 if self.read == 0xFFFFFFFF else self.read + 1
        slot = self.get(1208 + 40 * (expected % 256), 40)
        if self.number(slot, 0) != expected or self.number(slot, 38) != expected:
            return False
        self.read = expected
        order = "little" if self.low_first else "big"
        text = b"".join(word.to_bytes(2, order) for word in slot[18:38])  # type: ignore[arg-type]
        part, parts = slot[17] >> 8, slot[17] & 0xFF
        if part == 0:
            piece = self.number(slot, 4)
            new.append(Event(expected, slot[2], slot[3], piece, slot[7], slot[9], [], slot))
        if parts:
            assert new[-1].piece == self.number(slot, 4)
            assert part == len(new[-1].codes)
            new[-1].codes.append(text.rstrip(b"\0"))
        return True

    def instruct(
        self, piece: int, *chutes: int, lap: int = 0, revision: int = 0, epoch: int = 0,
        spoil: int = 0,
    ) -> int:  # fmt: skip
        """Write an instruction; return its sequence."""
        self.written += 1
        body = [
            *self.words(epoch or self.epoch), *self.words(piece), lap, revision,
            *[*chutes, 0, 0, 0, 0][:4], 1, *self.words(7), *self.words(123),
        ]  # fmt: skip
        slot = [*body, (sum(body) + spoil) & 0xFFFF, *self.words(self.written)]
        assert self.put(self.at + 8 + 18 * (self.written % 32), slot) == 0
        return self.written

    def until(self, condition: Callable[[], Any], what: str, decide: Decide | None = None) -> None:
        """Live on, answering each scan as ``decide`` says, until the condition holds."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, f"never came true: {what}"
            for event in self.step():
                chutes = decide(event) if decide and event.kind == 2 else None
                if chutes is not None:
                    self.instruct(event.piece, *chutes, lap=event.lap)
            time.sleep(0.002)

    def to_the_end(self, decide: Decide | None = None) -> None:
        """Live on until the PLC has nothing more to say and closes."""
        try:
            self.until(lambda: False, "the PLC closes", decide)
        except (ModbusException, ConnectionError):
            # A request that the PLC left unread as it closed comes back as a reset.
            self.close()

    def close(self) -> None:
        """Go away without a word."""
        self.client.close()  # type: ignore[no-untyped-call]

    def of(self, kind: int, piece: int = 0) -> list[Event]:
        return [e for e in self.events if e.kind == kind and piece in (0, e.piece)]


NewHost = Callable[..., Host]


@pytest.fixture
def new_host() -> Iterator[NewHost]:
    """A function that connects a host; all are let go in the end."""
    connected: list[Host] = []

    def connect(port: int, **settings: Any) -> Host:
        connected.append(Host(port, **settings))
        return connected[-1]

    yield connect
    for host in connected:
        host.close()
