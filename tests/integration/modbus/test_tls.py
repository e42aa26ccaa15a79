"""Modbus over TLS with real handshakes: the adapter against the emulator's secure port."""

import asyncio
import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
import uvloop

from plc_adapters.contract import AdapterError, AnswerStatus, EventKind
from plc_adapters.emulator.config import EmulatorConfigError
from plc_adapters.host.wire import LinkError
from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.modbus.tls import Tls, client_context, server_context
from plc_adapters.modbus.wire import ModbusWire
from tests.certificates import Authority, Pair
from tests.integration.modbus.conftest import Host, Plc, adapter_of

TIMEOUT_MS = 10_000
"""A handshake on a loaded machine is slow, not wrong."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def secure(authority: Authority, pair: Pair) -> tuple[str, ...]:
    """Settings of an emulator that shows this pair, and trusts the authority's hosts."""
    return (
        f"listen.tls.ca={authority.pair.certificate}",
        f"listen.tls.certificate={pair.certificate}",
        f"listen.tls.key={pair.key}",
    )


def tls(authority: Authority, pair: Pair, server_name: str = "") -> Tls:
    return Tls(authority.pair.certificate, pair.certificate, pair.key, server_name)


async def why_refused(link: ModbusLink) -> str:
    """Connect and read a register; what the error says."""
    wire = ModbusWire(link)
    try:
        with pytest.raises(LinkError) as caught:
            await wire.connect()
            await wire.read(0, 1)
    finally:
        await wire.close()
    return str(caught.value)


def refusal(tmp_path: Path, settings: tuple[str, ...], used: Tls | None, **changes: object) -> str:
    """What a host with these certificates is told by a PLC with those."""

    async def whole() -> str:
        plc = Plc(tmp_path, *settings)
        await plc.start()
        try:
            settings_of_link: dict[str, object] = {"timeout_ms": TIMEOUT_MS, "tls": used}
            return await why_refused(plc.link(**(settings_of_link | changes)))
        finally:
            await plc.stop()

    return uvloop.run(whole())


def test_pieces_are_sorted_over_tls(tmp_path: Path, authority: Authority) -> None:
    used = tls(authority, authority.sign("host"))

    async def whole() -> None:
        plc = Plc(tmp_path, *secure(authority, authority.sign("plc", "127.0.0.1")))
        await plc.start()
        host = Host(adapter_of(plc.link(tls=used, timeout_ms=TIMEOUT_MS)))
        try:
            await host.open()
            await host.turn_until(lambda: plc.sorter.tally.answers[AnswerStatus.ACCEPTED] > 3)
            assert EventKind.SCANNED in host.all()["kind"]
            await host.adapter.close()
        finally:
            await plc.stop()

    uvloop.run(whole())


def test_the_name_in_the_certificate_may_be_another_than_the_host(
    tmp_path: Path, authority: Authority
) -> None:
    pair = authority.sign("plc-7.hall")
    used = tls(authority, authority.sign("host"), "plc-7.hall")

    async def whole() -> list[int]:
        plc = Plc(tmp_path, *secure(authority, pair))
        await plc.start()
        wire = ModbusWire(plc.link(tls=used, timeout_ms=TIMEOUT_MS))
        try:
            await wire.connect()
            return await wire.read(0, 4)
        finally:
            await wire.close()
            await plc.stop()

    assert uvloop.run(whole()) == [0x1234, 0x5678, 0x4142, 0x4344]


def test_a_plc_of_another_authority_is_not_trusted(tmp_path: Path, authority: Authority) -> None:
    other = Authority(tmp_path, "other")
    settings = secure(authority, other.sign("plc", "127.0.0.1"))
    told = refusal(tmp_path, settings, tls(authority, authority.sign("host")))
    assert "not signed by the authority in tls.ca" in told


def test_an_expired_plc_is_named(tmp_path: Path, authority: Authority) -> None:
    settings = secure(authority, authority.sign("plc", "127.0.0.1", expired=True))
    told = refusal(tmp_path, settings, tls(authority, authority.sign("host")))
    assert "the PLC's certificate has expired" in told


def test_a_wrong_name_is_told_with_the_name_expected(tmp_path: Path, authority: Authority) -> None:
    settings = secure(authority, authority.sign("plc", "127.0.0.1"))
    told = refusal(tmp_path, settings, tls(authority, authority.sign("host"), "plc-8"))
    assert "not for plc-8" in told
    assert "tls.server_name" in told


def test_a_plc_that_speaks_no_tls_is_named(tmp_path: Path, authority: Authority) -> None:
    told = refusal(tmp_path, (), tls(authority, authority.sign("host")), timeout_ms=500)
    assert "secure port" in told


def test_a_host_of_another_authority_is_refused(tmp_path: Path, authority: Authority) -> None:
    other = Authority(tmp_path, "other")
    settings = secure(authority, authority.sign("plc", "127.0.0.1"))
    told = refusal(tmp_path, settings, tls(authority, other.sign("host")))
    assert "does not take this host's certificate" in told


@pytest.mark.parametrize(
    ("of_other", "expired", "wanted"),
    [
        (True, False, "does not trust this host's certificate"),
        (False, True, "says that this host's certificate has expired"),
    ],
)
def test_what_a_plc_says_about_the_hosts_certificate_is_told(
    tmp_path: Path, authority: Authority, of_other: bool, expired: bool, wanted: str
) -> None:
    """A server on plain OpenSSL sends its alert before it hangs up."""
    signer = Authority(tmp_path, "other") if of_other else authority
    host = signer.sign("host", expired=expired)
    pair = authority.sign("plc", "127.0.0.1")
    context = server_context(authority.pair.certificate, pair.certificate, pair.key)

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with contextlib.suppress(ssl.SSLError), connection:
            context.wrap_socket(connection, server_side=True).recv(64)

    async def whole(port: int) -> str:
        link = ModbusLink(port=port, timeout_ms=TIMEOUT_MS, tls=tls(authority, host))
        return await why_refused(link)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        told = uvloop.run(whole(listening.getsockname()[1]))
        thread.join()
    assert wanted in told


def test_a_host_without_a_certificate_reads_nothing(tmp_path: Path, authority: Authority) -> None:
    context = client_context(tls(authority, authority.sign("host")))
    bare = type(context)(context.protocol)
    bare.load_verify_locations(authority.pair.certificate)

    async def whole() -> bytes:
        plc = Plc(tmp_path, *secure(authority, authority.sign("plc", "127.0.0.1")))
        await plc.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", plc.port, ssl=bare)
            writer.write(bytes.fromhex("000100000006010300000001"))
            try:
                return await asyncio.wait_for(reader.read(64), 20)
            except OSError:
                return b""
            finally:
                writer.close()
        finally:
            await plc.stop()

    assert uvloop.run(whole()) == b""


def test_a_plain_host_at_a_secure_port_gets_no_register(
    tmp_path: Path, authority: Authority
) -> None:
    settings = secure(authority, authority.sign("plc", "127.0.0.1"))
    assert "reading 1 registers at 0" in refusal(tmp_path, settings, None)


def test_a_cut_secure_link_heals(tmp_path: Path, authority: Authority) -> None:
    used = tls(authority, authority.sign("host"))
    settings = secure(authority, authority.sign("plc", "127.0.0.1"))

    async def whole() -> None:
        plc = Plc(tmp_path, *settings, "cuts=[{after_ms=1000, for_ms=200}]")
        await plc.start()
        adapter = adapter_of(plc.link(tls=used, timeout_ms=TIMEOUT_MS))
        host = Host(adapter)
        try:
            await host.open()
            await host.turn_until(lambda: adapter.status.reconnects == 1)
            seen = len(host.events)
            await host.turn_until(lambda: len(host.events) > seen)
            numbers = host.sequences()
            assert numbers == list(range(1, len(numbers) + 1))
            await adapter.close()
        finally:
            await plc.stop()

    uvloop.run(whole())


@pytest.mark.parametrize("broken", ["missing", "garbage", "mismatch", "ca"])
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, authority: Authority, broken: str
) -> None:
    host, other = authority.sign("host"), authority.sign("other-host")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a certificate")
    used = {
        "missing": Tls(authority.pair.certificate, tmp_path / "none.pem", host.key),
        "garbage": Tls(authority.pair.certificate, garbage, host.key),
        "mismatch": Tls(authority.pair.certificate, host.certificate, other.key),
        "ca": Tls(garbage, host.certificate, host.key),
    }[broken]
    wanted = {
        "missing": "tls.certificate: .*none.pem: can't be read: No such file",
        "garbage": "tls.certificate: .*garbage.pem: can't be used",
        "mismatch": "does not belong to the key .*other-host.key.pem",
        "ca": "tls.ca: .*garbage.pem: holds no certificate",
    }[broken]
    with pytest.raises(AdapterError, match=wanted):
        client_context(used)


def test_an_emulator_names_a_certificate_it_cannot_use(
    tmp_path: Path, authority: Authority
) -> None:
    pair = Pair(tmp_path / "none.pem", tmp_path / "none.key.pem")

    async def whole() -> None:
        plc = Plc(tmp_path, *secure(authority, pair))
        await plc.start()

    with pytest.raises(EmulatorConfigError, match=r"listen\.tls\.certificate: .*none\.pem"):
        uvloop.run(whole())
