"""The site file's table of the HTTP face: where it listens, and who may use it."""

import ipaddress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from sorter.config_section import Port, Section

HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9.:-]+$")]
"""A name or an address as it stands in a Host header, without a port, in small letters."""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - told apart, not listened on
"""Hosts that stand for every address of this machine, and where it finds itself then."""


class Role(StrEnum):
    """What a caller may do; each may also do what those before it may."""

    VIEWER = "viewer"
    """Looks."""
    OPERATOR = "operator"
    """Keeps running lines going: locks, quarantines, roll-backs, pre-advice."""
    ENGINEER = "engineer"
    """Changes what the lines go by: plans, shadows, all pre-advice at once; ends jobs."""

    @property
    def rank(self) -> int:
        """Place among the roles, from 0; a higher one may do more."""
        return list(Role).index(self)


class HttpTls(Section):
    """The face's own certificate, PEM files."""

    certificate: Path
    """With those of its authorities behind it, if clients need them."""
    key: Path


class Http(Section):
    """Where the face listens, and who may use it.

    Beyond this machine only with TLS (its own or a proxy's) and with keys.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    names: list[HostName] = Field(default=[], max_length=32)
    """Further names that clients reach the face by; a request for another is refused."""
    tls: HttpTls | None = None
    behind_tls_proxy: bool = False
    """A proxy before the face adds TLS; nothing else reaches the port."""
    keys_file: Path | None = None
    """API keys' hashes; ``sorter key new`` makes it."""
    requests_per_second: int = Field(default=100, ge=1, le=100_000)
    """Of one key and its sessions; of one address where no key is shown."""

    @property
    def url(self) -> str:
        """Where a client on this machine finds the face."""
        host = ANY_ADDRESS.get(self.host, self.host)
        told = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{told}:{self.port}"

    @property
    def guarded(self) -> bool:
        """Whether callers must prove who they are."""
        return self.keys_file is not None

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        problems = []
        if self.tls and self.behind_tls_proxy:
            problems.append("give tls or behind_tls_proxy, not both")
        beyond = self.behind_tls_proxy or not is_loopback(self.host)
        if beyond and not self.tls and not self.behind_tls_proxy:
            problems.append(
                f"host {self.host!r} is reached from other machines: give tls (certificate, key), "
                "or behind_tls_proxy = true where a proxy adds TLS, or listen on 127.0.0.1"
            )
        if beyond and not self.guarded:
            problems.append(
                "other machines reach it, so callers must prove who they are: give keys_file, "
                "which 'sorter key new' makes"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is this machine's alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
