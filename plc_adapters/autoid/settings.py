"""What the way to one scanner needs to know of it."""

from dataclasses import dataclass, field
from typing import Literal

from plc_adapters.autoid.codes import CodeFilter
from plc_adapters.autoid.tie import Window
from plc_adapters.contract import AdapterError
from plc_adapters.opcua.settings import Endpoint

DeliveryMode = Literal["events", "last_scan_data"]


@dataclass(frozen=True, slots=True)
class ScannerSettings:
    """One AutoID device, and how what it reads is tied to pieces."""

    name: str
    station: int
    """Number of the station at which the PLC tells of pieces whose codes come from here."""
    endpoint: Endpoint
    mode: DeliveryMode = "events"
    """``last_scan_data`` watches that variable of a device that has no events."""
    device: str = ""
    """Identifier of the device's object, such as ``s=Scanner1`` or ``i=5001``; the whole server if
    empty, whose events then all count."""
    device_namespace: str = ""
    """URI of the identifier's namespace."""
    trigger_field: str = ""
    """Name of the event field that bears the piece id; needed if results are tied by it."""
    trigger_namespace: str = ""
    """URI of that name's namespace."""
    window: Window = field(default_factory=Window)
    codes: CodeFilter = field(default_factory=CodeFilter)
    publishing_interval_ms: int = 20
    sampling_interval_ms: int = 10
    reconnect_max_ms: int = 2000

    def problems(self) -> list[str]:
        """Return what contradicts itself, one line each."""
        found = self.endpoint.problems()
        if self.device and self.device[:2] not in ("s=", "i=", "g=", "b="):
            found.append(f"device: {self.device!r} must begin with s=, i=, g= or b=")
        if bool(self.device) != bool(self.device_namespace):
            found.append("device, device_namespace: one is useless without the other")
        if self.mode == "last_scan_data" and not self.device:
            found.append("device: missing; mode last_scan_data watches a variable of it")
        if self.window.by_trigger and self.mode == "last_scan_data":
            found.append("mode: last_scan_data bears no piece id; tie by photo_eye, or use events")
        if self.window.by_trigger != bool(self.trigger_field):
            found.append("trigger_field: is given with tie by trigger_id, and only then")
        if bool(self.trigger_field) != bool(self.trigger_namespace):
            found.append("trigger_field, trigger_namespace: one is useless without the other")
        if self.publishing_interval_ms > self.window.delivery_ms:
            found.append(
                f"publishing_interval_ms: {self.publishing_interval_ms} is longer than delivery_ms "
                f"({self.window.delivery_ms}); every result would come late"
            )
        return found

    def expect_sound(self) -> None:
        """Raise AdapterError where the settings contradict each other."""
        found = self.problems()
        if found:
            raise AdapterError("\n".join(f"scanner {self.name}: {one}" for one in found))
