"""Addresses of databases: how to tell one without its password, and how to connect to it."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from sorter.errors import UnavailableError

CONNECT_S = 10.0
"""Time a connection has to come up."""
COMMAND_S = 120.0
"""Time one command has; a connection over a dead network is found out by it."""
LOCK_WAIT_S = 30
"""Time a command waits for a lock."""

BROKEN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What can come of talking to a database."""

_ADVICE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "correct user and password in store.dsn, or let the user in",
    ),
    (asyncpg.InvalidCatalogNameError, "create the database, or correct its name in store.dsn"),
    (
        asyncpg.InsufficientPrivilegeError,
        "the service's user must own its tables and may create some in its schema",
    ),
    (asyncpg.DiskFullError, "make room on its disk"),
    (asyncpg.TooManyConnectionsError, "raise max_connections, or close some"),
    (asyncpg.CannotConnectNowError, "it is starting or ending; it will be tried again"),
    (asyncpg.LockNotAvailableError, "another session holds its tables; see pg_stat_activity"),
    (TimeoutError, "see its log, its load, and the network between"),
    (
        (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError),
        "start it, or correct store.dsn",
    ),
)


def described(dsn: str) -> str:
    """Return host and database of a DSN, never its password."""
    try:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
    except ValueError:
        return "(unreadable address)"
    host = parts.netloc.rpartition("@")[2] or query.get("host", ["local socket"])[0]
    database = unquote(parts.path.lstrip("/")) or query.get("dbname", ["(default)"])[0]
    return f"{database!r} at {unquote(host)}"


async def connect(dsn: str, application: str) -> Any:
    """Return an asyncpg connection.

    Raises:
        UnavailableError: there is none; names host and database and says what to do.
    """
    try:
        return await asyncpg.connect(dsn, **settings(application))
    except BROKEN as error:
        raise away(dsn, error) from None
    except ValueError:
        raise malformed() from None


def settings(application: str) -> dict[str, Any]:
    """Return what every connection of the service is opened with."""
    return {
        "timeout": CONNECT_S,
        "command_timeout": COMMAND_S,
        "server_settings": {
            "application_name": application,
            "timezone": "UTC",
            "lock_timeout": f"{LOCK_WAIT_S}s",
        },
    }


def away(dsn: str, error: BaseException) -> UnavailableError:
    """Return the error that tells where the database is, what came of it, and what to do."""
    if isinstance(error, asyncpg.ClientConfigurationError):
        return malformed()
    text = " ".join(str(error).split()) or type(error).__name__
    return UnavailableError(f"database {described(dsn)}: {text}; {_advice(error)}")


def malformed() -> UnavailableError:
    """Return the error for a DSN that is none; it is not repeated, as it may hold a password."""
    return UnavailableError(
        "store.dsn is no address of a PostgreSQL; write it as "
        "postgresql://user:password@host:5432/database"
    )


def _advice(error: BaseException) -> str:
    for kinds, advice in _ADVICE:
        if isinstance(error, kinds):
            return advice
    return "see the database's log"
