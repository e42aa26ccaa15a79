"""What the emulator's file can say of a scanner beside the PLC."""

from typing import Self

from pydantic import Field, model_validator

from plc_adapters.emulator.listen_sections import ListenOpcua
from plc_adapters.emulator.section import Chance, Cut, Milliseconds, Section


class ScannerFaults(Section):
    """Mistakes of a scanner, planted on purpose for a commissioning check to find; all off."""

    no_autoid: bool = False
    """Its server does not have AutoID's namespace."""
    no_events: bool = False
    """The device says that it raises no events."""
    unknown_kind: bool = False
    """The codes are of a kind that AutoID does not know."""
    says_no_read: str = Field(default="", max_length=128)
    """Told as a code where nothing was read."""
    stamp_ahead_ms: int = Field(default=0, ge=-86_400_000, le=86_400_000)
    """By how much its stamps are ahead of its server's clock."""
    trigger_stands: bool = False
    """Every scan bears the same piece id."""
    no_trigger_id: bool = False
    """No scan bears a piece id."""


class EmulatedScanner(Section):
    """A scanner that is an AutoID device of its own: the PLC's scan events are without codes."""

    host: str = "127.0.0.1"
    port: int = Field(default=15_040, ge=0, le=65_535)
    """0 for any free one; the status names it."""
    opcua: ListenOpcua
    deliver_min_ms: Milliseconds = 5
    deliver_max_ms: Milliseconds = 30
    """From a reading until it is told, by chance in between."""
    untold: Chance = 0.0
    """Per reading: it is never told."""
    cuts: list[Cut] = Field(default=[], max_length=10_000)
    """Of its own cable; what is read meanwhile nobody hears."""
    faults: ScannerFaults = ScannerFaults()

    @model_validator(mode="after")
    def _delivers_in_order(self) -> Self:
        if self.deliver_min_ms > self.deliver_max_ms:
            raise ValueError("deliver_min_ms is more than deliver_max_ms; exchange them")
        return self
