"""``sorter plc certificate`` and ``trust``: what secures a link over OPC UA."""

import asyncio
import re
import socket
from pathlib import Path
from typing import Annotated

import typer

from plc_adapters.host.wire import LinkError
from plc_adapters.opcua.certificates import load_certificate, make_pair, thumbprint, write_trusted
from plc_adapters.opcua.settings import Endpoint
from sorter.errors import Exit, UnavailableError

CERTIFICATE_HELP = """Make this host's application certificate for OPC UA, and its private key.

Nothing is written over. The PLC must trust the certificate: copy the .der file to it, or connect
once and move it from the PLC's list of rejected certificates to that of trusted ones.

Example: sorter plc certificate --into pki
"""
TRUST_HELP = """Fetch the certificate that a PLC's OPC UA server shows, and trust it.

Without --thumbprint it is only shown: compare the thumbprint with the one the PLC's own tool shows,
then give it. Ends with 1 if the PLC shows another, with 4 if it can't be reached.

Example: sorter plc trust opc.tcp://10.0.0.12:4840 --into pki/trusted --thumbprint 3F:9A:...
"""
ADVICE = """{certificate}
{key}
thumbprint {thumbprint}
In the site file, for each line over OPC UA:
  certificate = "{certificate}"
  key = "{key}"
"""
NAME = r"[A-Za-z0-9._-]{1,64}"


def certificate(
    into: Annotated[Path, typer.Option(help="Folder for the two files.")],
    name: Annotated[
        str, typer.Option(help="Common name, and the files'; this machine's if left out.")
    ] = "",
    uri: Annotated[str, typer.Option(help="Application URI; made of the name if left out.")] = "",
    host: Annotated[
        list[str] | None, typer.Option(help="Name or address of this machine; may be repeated.")
    ] = None,
) -> None:
    """Make a certificate and its key."""
    name = name or socket.gethostname()
    if not re.fullmatch(NAME, name):
        raise typer.BadParameter(
            "must be 1 to 64 letters, digits, dots, dashes", param_hint="--name"
        )
    hosts = tuple(host or [socket.gethostname()])
    try:
        paths = make_pair(into, name, uri or f"urn:{name}:sorting-centre", hosts)
        made = load_certificate(paths[0])
    except FileExistsError as error:
        raise UnavailableError(str(error)) from None
    except OSError as error:
        raise UnavailableError(
            f"--into {into}: can't be written ({error.strerror}); give another folder"
        ) from None
    except ValueError as error:
        raise typer.BadParameter(f"{error}", param_hint="--uri, --host") from None
    typer.echo(
        ADVICE.format(certificate=paths[0], key=paths[1], thumbprint=thumbprint(made)), nl=False
    )


def trust(
    url: Annotated[str, typer.Argument(help="opc.tcp://host:port")],
    into: Annotated[Path, typer.Option(help="Folder of trusted certificates.")],
    expected: Annotated[
        str, typer.Option("--thumbprint", help="SHA-1 thumbprint that it must have.")
    ] = "",
) -> None:
    """Show a server's certificate; store it if it is the one expected."""
    # Loading OPC UA takes a second, which no other command should wait for.
    from plc_adapters.opcua.session import fetch_certificate  # noqa: PLC0415

    if not url.startswith("opc.tcp://"):
        raise typer.BadParameter("must begin with opc.tcp://", param_hint="url")
    try:
        shown = asyncio.run(fetch_certificate(Endpoint(url, security_policy="None")))
    except LinkError as error:
        raise UnavailableError(str(error)) from None
    typer.echo(f"{url} shows {shown.subject.rfc4514_string()}")
    typer.echo(f"valid {shown.not_valid_before_utc} to {shown.not_valid_after_utc}")
    typer.echo(f"thumbprint {thumbprint(shown)}")
    if not expected:
        typer.echo("not trusted yet: compare the thumbprint, then give it as --thumbprint")
        return
    if _digits(expected) != _digits(thumbprint(shown)):
        typer.echo(f"not trusted: the thumbprint is not {expected}", err=True)
        raise typer.Exit(Exit.CHECK_FAILED)
    try:
        path = write_trusted(shown, into)
    except OSError as error:
        raise UnavailableError(
            f"--into {into}: can't be written ({error.strerror}); give another folder"
        ) from None
    typer.echo(f"trusted: {path}")


def _digits(shown: str) -> str:
    """Return a thumbprint without what tools put between its digits."""
    return re.sub(r"[:\s-]", "", shown).upper()


def register(app: typer.Typer) -> None:
    """Add these commands to ``sorter plc``."""
    app.command("certificate", help=CERTIFICATE_HELP)(certificate)
    app.command("trust", help=TRUST_HELP)(trust)
