"""What the OPC UA adapter needs to know of one PLC."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from plc_adapters.contract import AdapterError
from plc_adapters.mailbox.table import EVENT_SLOT, READ_SLOTS_MAX
from plc_adapters.opcua.nodes import NodeMap

Policy = Literal["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss", "None"]
"""Security policies; Basic128Rsa15 and Basic256 are deprecated and not offered."""
Mode = Literal["SignAndEncrypt", "Sign"]
WORDS_PER_READ_MAX = READ_SLOTS_MAX * EVENT_SLOT.size


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach an OPC UA server, and as whom."""

    url: str
    """opc.tcp://host:port, with a path if the server has one."""
    security_policy: Policy = "Basic256Sha256"
    security_mode: Mode = "SignAndEncrypt"
    certificate: Path | None = None
    """This host's application certificate, DER or PEM; needed unless the policy is None."""
    key: Path | None = None
    """Its private key, PEM or DER, without a pass phrase."""
    trusted: Path | None = None
    """Folder of the certificates of servers, or of their authorities, that are trusted."""
    user: str = ""
    """Anonymous if empty and there is no user certificate."""
    password_file: Path | None = None
    password_env: str = ""
    """Name of an environment variable that holds the password."""
    user_certificate: Path | None = None
    user_key: Path | None = None
    timeout_ms: int = 1000
    """Of one request; connecting takes up to ten of them."""

    @property
    def peer(self) -> str:
        """The server as messages name it."""
        return self.url

    def problems(self) -> list[str]:
        """Return what contradicts itself, one line each."""
        found = []
        if not self.url.startswith("opc.tcp://"):
            found.append(f"url: {self.url!r} must begin with opc.tcp://")
        if self.security_policy == "None":
            if self.user or self.user_certificate:
                found.append(
                    'security_policy: "None" would send the user unprotected; use another policy'
                )
        else:
            found += [
                f"{name}: missing; security_policy {self.security_policy} needs it"
                " (sorter plc certificate makes certificate and key)"
                for name in ("certificate", "key", "trusted")
                if getattr(self, name) is None
            ]
        if self.user and self.user_certificate:
            found.append("user, user_certificate: both are given; remove one")
        if self.user and bool(self.password_file) == bool(self.password_env):
            found.append("password_file, password_env: a user needs exactly one of them")
        if bool(self.user_certificate) != bool(self.user_key):
            found.append("user_certificate, user_key: one is useless without the other")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OpcuaLink(Endpoint):
    """How to reach one PLC over OPC UA, and what it can take."""

    nodes: NodeMap = field(default_factory=NodeMap)
    seat: int = 0
    word_order: Literal["big", "little"] = "big"
    string_byte_order: Literal["big", "little"] = "big"
    words_per_read: int = 320
    """Registers of one request, 40 to WORDS_PER_READ_MAX; split into more where the server allows
    fewer nodes a request."""
    words_per_write: int = 180
    """At least 18."""
    poll_period_ms: int = 20
    """The longest the host looks away. A subscription wakes it earlier, if the server's revised
    intervals allow it to come earlier."""
    publishing_interval_ms: int = 10
    sampling_interval_ms: int = 5
    heartbeat_ms: int = 100
    watch_ms: int = 20
    silence_ms: int = 1000
    reconnect_max_ms: int = 2000

    @classmethod
    def of(cls, settings: object) -> "OpcuaLink":
        """Copy the fields from any object that has them all, such as a section of a site file.

        Raises:
            AdapterError: the object lacks a field, or the fields contradict each other.
        """
        if isinstance(settings, cls):
            link = settings
        else:
            values = _copied(cls, settings, "opcua link")
            values["nodes"] = NodeMap(**_copied(NodeMap, values["nodes"], "opcua link: nodes"))
            link = cls(**values)
        problems = [*link.problems(), *link.nodes.problems()]
        if link.words_per_read > WORDS_PER_READ_MAX:
            problems.append(
                f"words_per_read: {link.words_per_read} holds more events than a turn of the line "
                f"takes; give at most {WORDS_PER_READ_MAX} ({READ_SLOTS_MAX} event slots)"
            )
        if problems:
            raise AdapterError("\n".join(f"{link.peer}: {problem}" for problem in problems))
        return link


def _copied(cls: type, settings: object, what: str) -> dict[str, Any]:
    names = [one.name for one in fields(cls)]
    missing = [name for name in names if not hasattr(settings, name)]
    if missing:
        raise AdapterError(f"{what}: the settings lack {', '.join(missing)}; give all of {names}")
    return {name: getattr(settings, name) for name in names}
