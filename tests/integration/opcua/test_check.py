"""The commissioning check is the same over OPC UA: a good PLC passes, a fault is named."""

import time
from dataclasses import replace

import pytest

from plc_adapters.commissioning.context import Plan
from plc_adapters.commissioning.findings import Mark, Result, Verdict
from plc_adapters.commissioning.run import check_plc
from plc_adapters.opcua.adapter import connection
from tests.integration.modbus.conftest import Plc
from tests.integration.opcua.conftest import Pki, RunWithPlc, link_to

PLAN = Plan(tuple(range(1, 10)), load_s=1.0, load_rate=30.0)
CALM = ("plc.host_watchdog_ms=3000", "loop.speed_mm_s=5000", "arrivals.pieces_per_hour=7200")


@pytest.mark.parametrize(
    ("fault", "named"),
    [((), set()), (("faults.check_not_verified=true",), {Mark.CHECK_SUM})],
)
def test_a_plc_is_checked_over_opc_ua(
    run_with_plc: RunWithPlc, pki: Pki, fault: tuple[str, ...], named: set[Mark]
) -> None:
    found: list[Result] = []

    async def scenario(plc: Plc) -> None:
        link, make_wire = connection(link_to(plc.port, pki))
        plan = replace(PLAN, first_chute_ms=0)
        found.append(
            await check_plc("x", link, make_wire, plan, time.monotonic_ns, lambda _what, _at: None)
        )

    run_with_plc(scenario, *CALM, *fault)
    failed = {f.mark: f.seen for f in found[0].findings if f.verdict is Verdict.FAIL}
    assert set(failed) == named, failed
