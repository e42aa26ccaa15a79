"""A secured session with one OPC UA server, or one line on why there is none.

asyncua is pinned, as this leans on what each of its methods does when a link breaks; it stands in
this room and in those of the scanners and the emulator alone. Its own reconnection stays off: it
takes each session for one that must be transferred, which node-opcua refuses, and then throws the
server's queue away; requests wait up to a minute meanwhile. Whoever uses a session here throws it
away when it fails, makes a new one, and reads on where its own sequence says.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from os import environ
from typing import Any

from asyncua import Client, ua
from asyncua.crypto import security_policies
from cryptography import x509

from plc_adapters.contract import AdapterError
from plc_adapters.host.wire import LinkError
from plc_adapters.opcua.bounds import bound_decoding
from plc_adapters.opcua.certificates import (
    application_uri,
    expect_pair,
    is_trusted,
    load_certificate,
    load_key,
    thumbprint,
)
from plc_adapters.opcua.explain import NO_CHANNEL, explain
from plc_adapters.opcua.settings import Endpoint

# The library reports each broken connection at error level, with a traceback; the user of a session
# reports an outage once.
logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
bound_decoding()

SESSION_TIMEOUT_MS = 15_000
"""How long a server keeps a session whose link broke. Short, as servers have few (S7-1500: 32 to
64), and a link that flaps leaves one behind each time."""
WATCHDOG_S = 5.0
"""Period of the library's own look at the server."""
APPLICATION_NAME = "sorting-centre"
PRODUCT_URI = "urn:sorting-centre"

_POLICIES: dict[str, Any] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
    "None": security_policies.SecurityPolicyNone,
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What this host shows of itself."""

    certificate: x509.Certificate | None
    key: Any
    """Private key; the library takes any."""
    application_uri: str
    password: str = ""
    user_certificate: x509.Certificate | None = None
    user_key: Any = None


def load_credentials(endpoint: Endpoint) -> Credentials:
    """Read what an endpoint names.

    Raises:
        AdapterError: a file or variable is missing or of no use; says which, and what it should be.
    """
    user_certificate = user_key = None
    if endpoint.user_certificate and endpoint.user_key:
        user_certificate = load_certificate(endpoint.user_certificate)
        user_key = load_key(endpoint.user_key)
        expect_pair(user_certificate, user_key, endpoint.user_certificate)
    password = _password(endpoint)
    if endpoint.security_policy == "None" or not (endpoint.certificate and endpoint.key):
        return Credentials(None, None, PRODUCT_URI, password, user_certificate, user_key)
    certificate, key = load_certificate(endpoint.certificate), load_key(endpoint.key)
    expect_pair(certificate, key, endpoint.certificate)
    uri = application_uri(certificate)
    if not uri:
        raise AdapterError(
            f"{endpoint.certificate}: bears no application URI, so no server will take it; make "
            "one with sorter plc certificate"
        )
    return Credentials(certificate, key, uri, password, user_certificate, user_key)


def _password(endpoint: Endpoint) -> str:
    if endpoint.password_env:
        password = environ.get(endpoint.password_env)
        if password is None:
            raise AdapterError(
                f"{endpoint.peer}: password_env: there is no variable {endpoint.password_env} in "
                "the environment; set it"
            )
        return password
    if endpoint.password_file is None:
        return ""
    try:
        return endpoint.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AdapterError(
            f"{endpoint.peer}: password_file: {endpoint.password_file}: can't be read: {error}"
        ) from None


@contextmanager
def told_as_link_error(peer: str, doing: str) -> Iterator[None]:
    """Turn whatever a request raises into one LinkError that names the peer and what to do."""
    try:
        yield
    except (LinkError, AdapterError):
        raise
    except Exception as error:
        # The library raises what the bytes of the server lead it to.
        raise LinkError(f"{peer}: {doing}: {explain(error)}") from error


def new_client(endpoint: Endpoint, credentials: Credentials) -> Client:
    """Return a client that has not connected; whoever asks for it closes it."""
    client = Client(endpoint.url, timeout=endpoint.timeout_ms / 1000, watchdog_intervall=WATCHDOG_S)
    client.name = client.description = APPLICATION_NAME
    client.application_uri = credentials.application_uri
    client.product_uri = PRODUCT_URI
    client.session_timeout = SESSION_TIMEOUT_MS
    if endpoint.user:
        client.set_user(endpoint.user)
        client.set_password(credentials.password)
    client.user_certificate = credentials.user_certificate
    client.user_private_key = credentials.user_key
    return client


async def connect(client: Client, endpoint: Endpoint, credentials: Credentials) -> None:
    """Open a session on the endpoint of the configured security.

    The server's certificate must be trusted, by the folder as it is now: then only who has its key
    can answer what is encrypted to it.

    Raises:
        LinkError: there is no server, or it or this host refuses the other; says why.
    """
    with told_as_link_error(endpoint.peer, "can't ask for its endpoints"):
        offered = await client.connect_and_get_server_endpoints()
    policy, mode = _POLICIES[endpoint.security_policy], _mode(endpoint)
    chosen = _choose(offered, endpoint, policy.URI, mode)
    if credentials.certificate is not None:
        server = _server_certificate(chosen, endpoint)
        _expect_trusted(server, endpoint)
        security = policy(server, credentials.certificate, credentials.key, mode)
        client.security_policy = security
        client.uaclient.set_security(security)
    with told_as_link_error(endpoint.peer, "can't open a session"):
        try:
            await client.connect()
        except AssertionError:
            # node-opcua answers an untrusted host so, and the library only sees that it has no
            # channel.
            raise LinkError(f"{endpoint.peer}: {NO_CHANNEL}") from None


async def fetch_certificate(endpoint: Endpoint) -> x509.Certificate:
    """Return the certificate that a server shows; raises LinkError if there is none."""
    client = new_client(endpoint, Credentials(None, None, PRODUCT_URI))
    with told_as_link_error(endpoint.peer, "can't ask for its endpoints"):
        offered = await client.connect_and_get_server_endpoints()
    for one in offered:
        if one.ServerCertificate:
            return _server_certificate(one, endpoint)
    raise LinkError(f"{endpoint.peer}: shows no certificate; switch on security there")


def _mode(endpoint: Endpoint) -> ua.MessageSecurityMode:
    if endpoint.security_policy == "None":
        return ua.MessageSecurityMode.None_
    return ua.MessageSecurityMode[endpoint.security_mode]


def _choose(
    offered: list[ua.EndpointDescription],
    endpoint: Endpoint,
    uri: str,
    mode: ua.MessageSecurityMode,
) -> ua.EndpointDescription:
    """Return the endpoint of that security, or say what there is instead."""
    for one in offered:
        if one.SecurityPolicyUri == uri and one.SecurityMode == mode:
            return one
    found = sorted(
        f"{(one.SecurityPolicyUri or '').rpartition('#')[2]} {one.SecurityMode.name.strip('_')}"
        for one in offered
    )
    raise LinkError(
        f"{endpoint.peer}: offers no {endpoint.security_policy} {mode.name.strip('_')}, but "
        f"{', '.join(found) or 'nothing'}; switch it on there, or set security_policy and "
        "security_mode to what it offers"
    )


def _server_certificate(chosen: ua.EndpointDescription, endpoint: Endpoint) -> x509.Certificate:
    """Return the server's own certificate; authorities may follow it in the same bytes."""
    with told_as_link_error(endpoint.peer, "shows a certificate that can't be read"):
        data = chosen.ServerCertificate
        # DER: a sequence with a length of two bytes, as of every RSA certificate.
        length = 4 + int.from_bytes(data[2:4], "big")
        return x509.load_der_x509_certificate(data[:length])


def _expect_trusted(server: x509.Certificate, endpoint: Endpoint) -> None:
    now = datetime.now(UTC)
    if now < server.not_valid_before_utc:
        raise LinkError(
            f"{endpoint.peer}: its certificate is valid only from {server.not_valid_before_utc} "
            "on; compare its clock with this machine's"
        )
    if now > server.not_valid_after_utc:
        raise LinkError(
            f"{endpoint.peer}: its certificate has expired at {server.not_valid_after_utc}; make "
            "it a new one, and trust that"
        )
    assert endpoint.trusted is not None
    try:
        trusted = is_trusted(server, endpoint.trusted)
    except AdapterError as error:
        raise LinkError(f"{endpoint.peer}: {error}") from None
    if not trusted:
        raise LinkError(
            f"{endpoint.peer}: its certificate is not in {endpoint.trusted}: thumbprint "
            f"{thumbprint(server)}; if that is the PLC's: sorter plc trust {endpoint.url} --into "
            f"{endpoint.trusted}"
        )


async def close(client: Client, endpoint: Endpoint) -> None:
    """End a session as politely as its link allows; never raises."""
    # A session that can't be closed times out by itself.
    with suppress(Exception):
        await asyncio.wait_for(client.disconnect(), 2 * endpoint.timeout_ms / 1000)
