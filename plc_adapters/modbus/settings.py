"""What the Modbus adapter needs to know of one PLC."""

from dataclasses import dataclass, fields
from typing import Literal

from plc_adapters.contract import AdapterError
from plc_adapters.modbus.tls import Tls


@dataclass(frozen=True, slots=True)
class ModbusLink:
    """How to reach one PLC over Modbus TCP, and what it can take.

    What families of PLCs can take stands in :mod:`plc_adapters.modbus.profiles`.
    """

    host: str = "127.0.0.1"
    port: int = 502
    unit_id: int = 1
    base_address: int = 0
    """Holding register at which the mailbox begins, counted from 0."""
    seat: int = 0
    word_order: Literal["big", "little"] = "big"
    string_byte_order: Literal["big", "little"] = "big"
    words_per_read: int = 125
    """At least 40: the header and an event slot are read whole."""
    words_per_write: int = 123
    """At least 18: an instruction is written whole."""
    poll_period_ms: int = 5
    timeout_ms: int = 500
    heartbeat_ms: int = 100
    watch_ms: int = 20
    silence_ms: int = 1000
    reconnect_max_ms: int = 2000
    tls: Tls | None = None
    """Certificates for Modbus/TCP Security; none for the bare protocol."""

    @classmethod
    def of(cls, settings: object) -> "ModbusLink":
        """Copy the fields from any object that has them all, such as a section of a site file.

        Raises:
            AdapterError: the object lacks a field.
        """
        if isinstance(settings, cls):
            return settings
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if not hasattr(settings, name)]
        if missing:
            raise AdapterError(
                f"modbus link: the settings lack {', '.join(missing)}; give all of {names}"
            )
        values = {name: getattr(settings, name) for name in names}
        values["tls"] = Tls.of(values["tls"]) if values["tls"] is not None else None
        return cls(**values)

    @property
    def peer(self) -> str:
        """The PLC as messages name it."""
        return f"{self.host}:{self.port} unit {self.unit_id} register {self.base_address}"

    @property
    def server_name(self) -> str:
        """The name that the PLC's certificate must bear."""
        return self.tls.server_name or self.host if self.tls else self.host
