"""Where and how the emulator's servers listen, as its file says it."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from plc_adapters.emulator.section import Section


class ListenTls(Section):
    """Modbus/TCP Security: PEM files. A host without a certificate of that ``ca`` is refused."""

    ca: Path
    certificate: Path
    key: Path


OpcuaPolicy = Literal["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"]
"""Security policies, as a link names them."""


class ListenOpcua(Section):
    """The OPC UA server; all it offers is signed and encrypted."""

    certificate: Path
    """Application certificate with its URI, DER or PEM; ``key`` is its private key."""
    key: Path
    trusted: Path
    """Folder of the certificates of hosts, or of their authorities, that may connect."""
    user: str = ""
    """Who may connect, by password; anybody whose certificate is trusted if empty."""
    password: str = ""
    users_trusted: Path | None = None
    """Folder of the certificates of users that may connect by them; nobody may if not given."""
    security_policies: tuple[OpcuaPolicy, ...] = Field(default=("Basic256Sha256",), min_length=1)
    variable_per_slot: bool = False
    """Whether each slot is a variable of its own and index ranges are refused."""


class Listen(Section):
    """Where the server listens.

    Over Modbus it answers every unit id, as Siemens' MB_SERVER does.
    """

    protocol: Literal["modbus", "opcua"] = "modbus"
    host: str = "127.0.0.1"
    port: int = Field(default=15_020, ge=0, le=65_535)
    """0 for any free one; the status names it."""
    base_address: int = Field(default=0, ge=0, le=65_535)
    """Holding register at which the mailbox begins."""
    tls: ListenTls | None = None
    """Of Modbus."""
    opcua: ListenOpcua | None = None
    """Needed with that protocol."""

    @model_validator(mode="after")
    def _protocol_has_its_settings(self) -> Self:
        if self.protocol == "opcua" and self.opcua is None:
            raise ValueError('protocol "opcua" needs opcua.certificate, opcua.key, opcua.trusted')
        return self
