"""Serves the face until it is told to stop."""

import signal
import socket

import uvicorn
from fastapi import FastAPI

from sorter.api.certificate import check_pair
from sorter.config_http import HttpTls
from sorter.errors import UnavailableError

CONNECTIONS_MAX = 256
"""Connections served at once; one more is answered 503."""
BACKLOG = 128
STOP_S = 3
"""Time that open requests have to end after SIGTERM."""


def serve(app: FastAPI, host: str, port: int, tls: HttpTls | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then let open requests end; over TLS if that is given.

    Raises:
        UnavailableError: the address can't be listened on.
        ConfigError: certificate or key can't be used.
    """
    if tls:
        check_pair(tls)
    with _listen(host, port) as listener:
        config = uvicorn.Config(
            app,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=STOP_S,
            access_log=False,
            log_config=None,
            server_header=False,
            # Who calls is told by what he proves: a header that names an address proves nothing.
            proxy_headers=False,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        # uvicorn raises the signal that ended it once more when it has stopped; what the caller
        # still has to close would then be left open.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise UnavailableError(
            f"http: can't listen on {host}:{port} ({error.strerror}); "
            "stop what uses it, or change http.host and http.port"
        ) from None
    return listener
