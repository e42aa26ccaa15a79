"""A small plan for the line's tests: two waybills, four chutes, everything reachable.

For any other waybill of the brand the upstream host is asked.
"""

from bench import naive
from bench.naive_arrays import plan_arrays, pre_advice_arrays
from plc_adapters.contract import Disposition
from sorter.assignment.decider import Decider
from tests.unit.line.records import SECOND


def small_decider() -> Decider:
    plan = naive.Plan(
        version=3,
        lap_limit=2,
        margin_ns=SECOND // 10,
        brands=[["A[0-9]{3}"]],
        places={"32": 0},
        routes=[{(0, 0): 1, (1, 0): 1}],
        classes=0,
        groups={1: naive.Group([1, 2, 3], "balanced", overflow=2), 2: naive.Group([4])},
        exceptions={each: 2 for each in Disposition if each >= Disposition.NO_READ},
        host_laps=1,
    )
    pre_advice = {b"A001": naive.Advice(1, 0, 3207), b"A002": naive.Advice(1, 0, 3208)}
    return Decider(plan_arrays(plan), pre_advice_arrays(pre_advice))
