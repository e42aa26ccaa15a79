"""Who calls: by API key, by the page's session, or this machine's own user.

With no keys configured the face listens on loopback alone, and whoever works on this machine is an
engineer; see DECISIONS.md.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers

from sorter.api.keys import KeyRing
from sorter.api.problems import ProblemError
from sorter.api.roles import OPEN, needed_by
from sorter.api.sessions import COOKIE, Sessions
from sorter.config_http import ANY_ADDRESS, Http, Role, is_loopback

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names that a request from this machine may give for it."""
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers that a proxy adds: whoever comes through one is not this machine's user."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
WHO_MAX = 200
"""Length of who did something, as lines keep it."""

_logger = logging.getLogger(__name__)


class How(StrEnum):
    """By what a caller proved who he is."""

    LOCAL = "local"
    KEY = "key"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what he may do."""

    how: How
    name: str
    role: Role

    @property
    def label(self) -> str:
        """Who it is, for records: ``key:ann``; a session's is its key's."""
        return f"{How.KEY if self.how is How.SESSION else self.how}:{self.name}"


LOCAL = Caller(How.LOCAL, "local", Role.ENGINEER)


class RefusedError(Exception):
    """What a caller showed does not count; says why."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use the face."""

    names: frozenset[str] = LOOPBACK_NAMES
    """Host names and addresses, in small letters, by which the face may be called."""
    keys: KeyRing | None = None
    """None where nobody has to prove who he is."""
    sessions: Sessions = field(default_factory=Sessions)
    proxied: bool = False
    """Whether a proxy adds TLS."""
    secure: bool = False
    """Whether the page is loaded over TLS, so that its cookie goes over nothing else."""
    requests_per_second: float = 100.0

    @classmethod
    def of(cls, settings: Http) -> "Access":
        """Return what the site file says; ConfigError where the file of keys is wrong."""
        own = {settings.host.lower()} - ANY_ADDRESS.keys()
        return cls(
            LOOPBACK_NAMES | own | set(settings.names),
            KeyRing(settings.keys_file) if settings.keys_file else None,
            proxied=settings.behind_tls_proxy,
            secure=settings.behind_tls_proxy or settings.tls is not None,
            requests_per_second=settings.requests_per_second,
        )

    def identify(self, headers: Headers, cookies: dict[str, str], address: str) -> Caller:
        """Return who calls; RefusedError where nothing that counts was shown."""
        given = headers.get("authorization")
        if given is not None:
            return self._of_bearer(given)
        session = cookies.get(COOKIE)
        if session and self.keys:
            return self._of_session(session)
        if self.keys:
            raise RefusedError(
                "say who you are: 'Authorization: Bearer KEY', a key of 'sorter key new'; a page "
                "logs in with POST /session"
            )
        if not is_loopback(address) or any(name in headers for name in FORWARDED):
            raise RefusedError(
                "without http.keys_file in the site file requests are taken from this machine "
                "only, and through no proxy"
            )
        return LOCAL

    def by_key(self, key: str) -> Caller:
        """Return who a key is of; RefusedError where there is no such key."""
        entry = self.keys.find(key) if self.keys else None
        if entry is None:
            raise RefusedError("this key is unknown, or was removed; 'sorter key list' names all")
        return Caller(How.KEY, entry.name, entry.role)

    def _of_bearer(self, given: str) -> Caller:
        scheme, _, token = given.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise RefusedError("give 'Authorization: Bearer KEY'; no other scheme is taken")
        return self.by_key(token)

    def _of_session(self, session: str) -> Caller:
        kept = self.sessions.find(session)
        entry = self.keys.named(kept.name, kept.sha256) if kept and self.keys else None
        if entry is None:
            raise RefusedError("this session has ended; log in again")
        return Caller(How.SESSION, entry.name, entry.role)

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Return whether a page of this face sent a request, by its Origin and Host headers.

        Behind a proxy that replaces Host the page's own is https at one of the configured names.
        """
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return False
        if parts.netloc.lower() == host.lower():
            return True
        name = (parts.hostname or "").lower()
        return self.proxied and parts.scheme == "https" and name in self.names - LOOPBACK_NAMES


def caller_of(request: Request) -> Caller:
    """Return who makes a request; a problem (401) where he showed nothing that counts."""
    found: Caller | RefusedError = request.state.caller
    if isinstance(found, RefusedError):
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED, str(found), headers={"WWW-Authenticate": "Bearer"}
        )
    return found


def who_of(request: Request, who: str) -> str:
    """Return who did something, for the line's records: whom the caller names, and who he is."""
    caller = caller_of(request)
    if caller.how is How.LOCAL or who == caller.name:
        return who
    mark = f" ({caller.label})"
    return who[: WHO_MAX - len(mark)] + mark


def by_of(request: Request) -> dict[str, str]:
    """Return who makes a request, for the audit log: who proved himself, and as what."""
    caller = caller_of(request)
    return {"caller": caller.label, "role": caller.role.value}


class Gate:
    """Lets a request reach its operation, or not: by role, and by the page it comes from."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def admit(self, request: Request) -> None:
        """Return if the caller may; a problem (401, 403) if not.

        An operation that declares no role is for nobody.
        """
        needed = needed_by(request.scope.get("endpoint"))
        if needed is None:
            raise ProblemError(HTTPStatus.FORBIDDEN, "this operation is for nobody")
        caller = None if needed == OPEN else caller_of(request)
        if caller and isinstance(needed, str) and caller.role.rank < Role(needed).rank:
            if request.method not in SAFE:
                _logger.warning(
                    "%s was refused %s %s: it needs %s",
                    caller.label, request.method, request.url.path[:200], needed,
                )  # fmt: skip
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                f"{caller.label} is {caller.role}; this needs {needed}, or more",
            )
        if request.method not in SAFE:
            self._check_origin(request, caller)

    def _check_origin(self, request: Request, caller: Caller | None) -> None:
        """Refuse what a page of elsewhere sends with this page's cookie, or as this machine."""
        origin = request.headers.get("origin")
        if origin is None:
            if caller and caller.how is How.SESSION:
                raise ProblemError(
                    HTTPStatus.FORBIDDEN, "a session changes things with an Origin header only"
                )
            return
        if not self._access.is_own_origin(origin, request.headers.get("host", "")):
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "this was sent by a page of elsewhere, which may change nothing",
            )


def host_name(host: str) -> str:
    """Return the name or address of a Host header in small letters, without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def listed(names: Iterable[str]) -> str:
    """Return names as a message lists them."""
    return ", ".join(sorted(names))
