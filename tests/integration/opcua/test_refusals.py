"""Who is refused, and in which words: certificates, policies, users, variables."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from plc_adapters.contract import AdapterError
from plc_adapters.host.wire import LinkError
from plc_adapters.opcua import certificates
from plc_adapters.opcua.certificates import load_certificate, make_pair, thumbprint
from plc_adapters.opcua.nodes import PER_SLOT, NodeMap
from plc_adapters.opcua.session import load_credentials
from plc_adapters.opcua.wire import OpcuaWire
from tests.integration.modbus.conftest import Plc
from tests.integration.opcua.conftest import Pair, Pki, RunWithPlc, link_to


async def why_refused(port: int, pki: Pki, **changes: Any) -> str:
    """Connect; what the error says."""
    link = link_to(port, pki, **changes)
    wire = OpcuaWire(link, load_credentials(link))
    try:
        with pytest.raises(LinkError) as caught:
            await wire.connect()
    finally:
        await wire.close()
    assert link.url in str(caught.value)
    return str(caught.value)


def test_certificates_and_policies(run_with_plc: RunWithPlc, pki: Pki, tmp_path: Path) -> None:
    async def scenario(plc: Plc) -> None:
        told = await why_refused(plc.port, pki, trusted=pki.host.folder)
        shown = thumbprint(load_certificate(pki.plc.certificate))
        assert f"thumbprint {shown}; if that is the PLC's: sorter plc trust" in told
        told = await why_refused(
            plc.port, pki, certificate=pki.stranger.certificate, key=pki.stranger.key
        )
        assert "does not trust this host's certificate" in told
        told = await why_refused(plc.port, pki, security_policy="Aes128Sha256RsaOaep")
        assert "offers no Aes128Sha256RsaOaep SignAndEncrypt" in told
        assert "but Basic256Sha256 SignAndEncrypt" in told
        told = await why_refused(plc.port, pki, security_mode="Sign")
        assert "offers no Basic256Sha256 Sign, but" in told
        told = await why_refused(plc.port, pki, security_policy="None")
        assert "offers no None None" in told
        told = await why_refused(plc.port, pki, trusted=tmp_path / "nowhere")
        assert "nowhere: can't be read" in told

    run_with_plc(scenario)


def test_nobody_gets_in_unsecured(
    run_with_plc: RunWithPlc, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator's library opens unsecured channels to all; the emulator lets none of them in."""

    async def scenario(plc: Plc) -> None:
        from asyncua import Client
        from asyncua.ua.uaerrors import BadUserAccessDenied

        offered = await Client(f"opc.tcp://127.0.0.1:{plc.port}").connect_and_get_server_endpoints()
        monkeypatch.setattr(Client, "find_endpoint", lambda *_: offered[0])
        client = Client(f"opc.tcp://127.0.0.1:{plc.port}", timeout=10)
        with pytest.raises(BadUserAccessDenied):
            await client.connect()

    run_with_plc(scenario)


def test_users(
    run_with_plc: RunWithPlc, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("分拣\n", encoding="utf-8")
    wrong.write_text("else")
    monkeypatch.setenv("PLC_PASSWORD", "分拣")

    async def scenario(plc: Plc) -> None:
        for changes in ({"password_file": right}, {"password_env": "PLC_PASSWORD"}):
            link = link_to(plc.port, pki, user="sorter", **changes)
            wire = OpcuaWire(link, load_credentials(link))
            await wire.connect()
            assert (await wire.read(0, 40))[:2] == [0x1234, 0x5678]
            await wire.close()
        told = await why_refused(plc.port, pki, user="sorter", password_file=wrong)
        assert "check user, password" in told
        told = await why_refused(plc.port, pki, user="other", password_file=right)
        assert "check user, password" in told
        told = await why_refused(plc.port, pki)
        assert "check user, password" in told

    run_with_plc(scenario, "listen.opcua.user=sorter", 'listen.opcua.password="分拣"')


WRONG_MAPS = [
    (NodeMap(namespace="urn:other"), "has no namespace urn:other (it has "),
    (NodeMap(header="s=Nowhere"), "s=Nowhere: BadNodeIdUnknown: the server has no such"),
    (NodeMap(header="s=Mailbox.Head"), "holds UInt32, not an array of UInt16"),
    (NodeMap(header="s=Mailbox.Seat0"), "has 584 registers, not 40"),
    (NodeMap(head="s=Nowhere"), "s=Nowhere: can't be watched: BadNodeIdUnknown"),
    (PER_SLOT, "BadNodeIdUnknown"),
]


def test_a_wrong_map_is_named(run_with_plc: RunWithPlc, pki: Pki) -> None:
    async def scenario(plc: Plc) -> None:
        for nodes, message in WRONG_MAPS:
            assert message in await why_refused(plc.port, pki, nodes=nodes)

    run_with_plc(scenario)


def test_a_server_without_index_ranges_is_named(run_with_plc: RunWithPlc, pki: Pki) -> None:
    async def scenario(plc: Plc) -> None:
        nodes = NodeMap(events="s=Mailbox.Event0", seat="s=Mailbox.Seat{seat}.Head")
        assert "map one variable per slot" in await why_refused(plc.port, pki, nodes=nodes)

    run_with_plc(scenario, "listen.opcua.variable_per_slot=true")


def test_an_expired_server_is_named(
    run_with_plc: RunWithPlc, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "BACKDATED", dt.timedelta(days=9))
    monkeypatch.setattr(certificates, "DAYS", -1)
    old = Pair(*make_pair(tmp_path / "old", "old", "urn:test:old", ("localhost",)))

    async def scenario(plc: Plc) -> None:
        told = await why_refused(plc.port, pki, trusted=old.folder)
        assert "its certificate has expired" in told

    run_with_plc(
        scenario, f"listen.opcua.certificate={old.certificate}", f"listen.opcua.key={old.key}"
    )


def test_files_that_are_of_no_use_are_named(pki: Pki, tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]]
    empty = tmp_path / "empty.der"
    empty.write_bytes(b"")
    cases = [
        ({"certificate": tmp_path / "none.der"}, "can't be read: No such file"),
        ({"certificate": empty}, "holds no certificate"),
        ({"key": empty}, "holds no private key"),
        ({"key": pki.plc.key}, "does not belong to its key"),
        ({"user": "a", "password_env": "NO_SUCH_VARIABLE"}, "there is no variable NO_SUCH"),
        ({"user": "a", "password_file": tmp_path / "none"}, "password_file"),
    ]
    for changes, message in cases:
        with pytest.raises(AdapterError, match=message):
            load_credentials(link_to(1, pki, **changes))


def test_garbage_instead_of_a_server_is_told(pki: Pki) -> None:
    async def whole() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(64)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        assert "can't ask for its endpoints" in await why_refused(port, pki, timeout_ms=1000)
        server.close()

    asyncio.run(whole())
