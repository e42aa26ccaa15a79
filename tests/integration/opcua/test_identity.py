"""Every security policy, and users who prove who they are by a certificate."""

import asyncio

import pytest
from asyncua import Client
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.uaerrors import BadUserAccessDenied

from plc_adapters.contract import DischargeStatus
from plc_adapters.opcua.certificates import load_certificate, load_key
from plc_adapters.opcua.session import load_credentials
from plc_adapters.opcua.wire import OpcuaWire
from tests.integration.modbus.conftest import Host, Plc, assert_ended_as_answered
from tests.integration.opcua.conftest import Pki, RunWithPlc, adapter_of, link_to
from tests.integration.opcua.test_refusals import why_refused

POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")


@pytest.mark.parametrize("policy", POLICIES)
def test_pieces_are_sorted_under_each_policy(
    run_with_plc: RunWithPlc, pki: Pki, policy: str
) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(link_to(plc.port, pki, security_policy=policy)))
        await host.open()
        tally = plc.sorter.tally
        await host.turn_until(lambda: tally.ended[DischargeStatus.SORTED] >= 5)
        assert_ended_as_answered(host.all())
        await host.adapter.close()
        for other in POLICIES:
            if other != policy:
                told = await why_refused(plc.port, pki, security_policy=other)
                assert f"offers no {other} SignAndEncrypt" in told

    only = f'listen.opcua.security_policies=["{policy}"]'
    run_with_plc(scenario, only, "plc.host_watchdog_ms=5000")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_user_is_known_by_a_certificate(run_with_plc: RunWithPlc, pki: Pki, policy: str) -> None:
    async def scenario(plc: Plc) -> None:
        port = plc.port
        user = {"user_certificate": pki.user.certificate, "user_key": pki.user.key}
        link = link_to(port, pki, security_policy=policy, **user)
        wire = OpcuaWire(link, load_credentials(link))
        await wire.connect()
        assert (await wire.read(0, 40))[:2] == [0x1234, 0x5678]
        await wire.close()
        stranger = {"user_certificate": pki.stranger.certificate, "user_key": pki.stranger.key}
        told = await why_refused(port, pki, security_policy=policy, **stranger)
        assert "does not take this user" in told
        assert "user_certificate" in told
        told = await why_refused(port, pki, security_policy=policy)
        assert "does not take this user" in told

    run_with_plc(
        scenario,
        f'listen.opcua.security_policies=["{policy}"]',
        f"listen.opcua.users_trusted={pki.user.folder}",
    )


def test_a_user_without_a_trusted_host_does_not_get_in(
    run_with_plc: RunWithPlc, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an unsecured channel, and on one that a stranger's certificate secures."""

    async def scenario(plc: Plc) -> None:
        url = f"opc.tcp://127.0.0.1:{plc.port}"
        told = await why_refused(
            plc.port, pki, user_certificate=pki.user.certificate, user_key=pki.user.key,
            certificate=pki.stranger.certificate, key=pki.stranger.key,
        )  # fmt: skip
        assert "does not trust this host's certificate" in told
        offered = await Client(url).connect_and_get_server_endpoints()
        monkeypatch.setattr(Client, "find_endpoint", lambda *_: offered[0])
        client = Client(url, timeout=10)
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        await client.create_session()
        client.user_private_key = load_key(pki.user.key)
        # What the library would sign with is the channel's, which has no certificate.
        client.security_policy.peer_certificate = pki.plc.certificate.read_bytes()
        client._policy_ids = []
        client.security_policy.URI = SecurityPolicyBasic256Sha256.URI
        with pytest.raises(BadUserAccessDenied):
            await client.activate_session(certificate=load_certificate(pki.user.certificate))
        client.disconnect_socket()
        await asyncio.sleep(0)

    run_with_plc(scenario, f"listen.opcua.users_trusted={pki.user.folder}")
