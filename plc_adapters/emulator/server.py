"""The emulator in real time: its cycle at its pace, its registers on a socket.

Everything runs on one event loop, so a request is served between two cycles and sees a whole image,
as a PLC's server block does that is called once per scan.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from plc_adapters.emulator.build import Sorter
from plc_adapters.emulator.front import Front, HostWrite
from plc_adapters.emulator.modbus_front import ModbusFront
from plc_adapters.emulator.scanner import Scanner
from plc_adapters.emulator.section import Cut
from plc_adapters.emulator.sensors import Sensors

if TYPE_CHECKING:
    from plc_adapters.emulator.autoid_front import AutoIdFront

NS_PER_SECOND = 1_000_000_000


class Cable:
    """The way to a server, cut and mended where the file says so."""

    def __init__(
        self, server: "Front | AutoIdFront", address: tuple[str, int], cuts: Sequence[Cut]
    ) -> None:
        self.address = address
        """Where it listens; the port is the real one once it does."""
        self.is_cut = False
        self._server = server
        self._cuts = deque(sorted(cuts, key=lambda cut: cut.after_ms))
        self._until_us = 0

    async def mend(self) -> None:
        """Take connections from now on; the port chosen first is kept."""
        self.address = await self._server.listen(self.address)
        self.is_cut = False

    async def watch(self, now_us: int) -> None:
        """Cut it if it is time, and mend it when that has passed."""
        while self._cuts and self._cuts[0].after_ms * 1000 <= now_us:
            cut = self._cuts.popleft()
            self._until_us = max(self._until_us, now_us + cut.for_ms * 1000)
            await self._server.hang_up()
            self.is_cut = True
        if self.is_cut and now_us >= self._until_us:
            await self.mend()


class Server:
    """Serves one sorter until :meth:`stop`; the plant's instant 0 is when it begins to listen."""

    def __init__(self, sorter: Sorter) -> None:
        self._sorter = sorter
        memory = sorter.memory
        self._front = _front(
            sorter,
            lambda address, values: memory.host_write(address, values, self.now_us()),
            Sensors(sorter.file.sensors, self.now_us),
        )
        self._scanner: Scanner | None
        self._scanner_front: AutoIdFront | None
        self._scanner, self._scanner_front = _scanner(sorter)
        self._stop = asyncio.Event()
        self._started_ns = time.monotonic_ns()
        self._frozen_ns = 0
        """When the program was frozen; 0 while it runs."""
        listen, own = sorter.file.listen, sorter.file.scanner
        self._cable = Cable(self._front, (listen.host, listen.port), sorter.file.cuts)
        self._scanner_cable = None
        if own is not None and self._scanner_front is not None:
            self._scanner_cable = Cable(self._scanner_front, (own.host, own.port), own.cuts)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the port is the real one once it does."""
        return self._cable.address

    def stop(self) -> None:
        """End :meth:`serve` with the current cycle."""
        self._stop.set()

    def toggle_freeze(self) -> None:
        """Stop the PLC as its switch does, or let it go on where it stood.

        While it is stopped no cycle runs: belt, heartbeat and clock stand still, and the socket
        still answers from the registers as they were.
        """
        now_ns = time.monotonic_ns()
        if self._frozen_ns:
            self._started_ns += now_ns - self._frozen_ns
            self._frozen_ns = 0
        else:
            self._frozen_ns = now_ns

    def now_us(self) -> int:
        """Return the plant's time: microseconds since the start, freezes left out."""
        return ((self._frozen_ns or time.monotonic_ns()) - self._started_ns) // 1000

    def status(self) -> dict[str, object]:
        """Return where it listens and which of its faults are on, for JSON."""
        host, port = self.address
        own = self._scanner_cable
        return {
            "host": host,
            "port": port,
            "scanner_port": own.address[1] if own else 0,
            "frozen": bool(self._frozen_ns),
            "cable_cut": self._cable.is_cut,
        }

    async def serve(self, on_second: Callable[[], None]) -> None:
        """Listen and run cycles until stopped; ``on_second`` is called at once and every second.

        Raises:
            ListenError: the port is in use, or the address is not this machine's.
        """
        try:
            await self._cable.mend()
            if self._scanner_cable is not None:
                await self._scanner_cable.mend()
            await self._run(on_second)
        finally:
            await self._front.end()
            if self._scanner_front is not None:
                await self._scanner_front.end()

    async def _run(self, on_second: Callable[[], None]) -> None:
        """Run cycles at their pace; a late one is run once, as physics is exact between cycles."""
        sorter = self._sorter
        cycle_us = sorter.file.plc.cycle_ms * 1000
        self._started_ns = second_ns = time.monotonic_ns()
        next_us = 0
        while not self._stop.is_set():
            if not self._frozen_ns:
                now_us = self.now_us()
                if now_us - next_us > cycle_us:
                    sorter.tally.note_late_cycle(now_us - next_us)
                    next_us = now_us
                await self._cable.watch(now_us)
                if self._scanner_cable is not None:
                    await self._scanner_cable.watch(now_us)
                sorter.program.cycle(now_us)
                await self._front.after_cycle()
                if self._scanner is not None and self._scanner_front is not None:
                    await self._scanner.tell_due(self.now_us(), self._scanner_front)
                next_us += cycle_us
            if time.monotonic_ns() >= second_ns:
                second_ns += NS_PER_SECOND
                on_second()
            wait_us = cycle_us if self._frozen_ns else next_us - self.now_us()
            await asyncio.sleep(max(0, wait_us) / 1e6)


def _scanner(sorter: Sorter) -> "tuple[Scanner, AutoIdFront] | tuple[None, None]":
    """Return the scanner of its own and its server, where the file has one.

    Raises:
        EmulatorConfigError: a certificate can't be used.
    """
    settings, scans = sorter.file.scanner, sorter.program.read_elsewhere
    if settings is None or scans is None:
        return None, None
    from plc_adapters.emulator.autoid_front import AutoIdFront  # noqa: PLC0415 - as below

    return Scanner(settings, sorter.file.seed, scans), AutoIdFront(settings.opcua, settings.faults)


def _front(sorter: Sorter, host_write: HostWrite, sensors: Sensors) -> Front:
    """Return the server of the protocol that the file asks for.

    Raises:
        EmulatorConfigError: a certificate can't be used.
    """
    listen, registers = sorter.file.listen, sorter.memory.registers
    if listen.protocol == "modbus":
        return ModbusFront(listen, registers, host_write, sorter.file.faults.answer_ms, sensors)
    # Whoever serves Modbus alone need not load OPC UA, which takes a second.
    from plc_adapters.emulator.opcua_front import OpcuaFront  # noqa: PLC0415

    return OpcuaFront(listen, sorter.memory, host_write)
