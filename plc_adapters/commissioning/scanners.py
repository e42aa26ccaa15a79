"""The check of the scanners beside a PLC: each is listened to while the PLC is checked."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from plc_adapters.commissioning.context import Tell
from plc_adapters.commissioning.ear import Ear
from plc_adapters.commissioning.findings import Result
from plc_adapters.commissioning.scans import judge


async def check_with_scanners(
    check: Callable[[], Awaitable[Result]], ears: Sequence[Ear], wait_s: float, tell: Tell
) -> Result:
    """Check a PLC while its scanners are listened to, and judge them by the pieces it told.

    Args:
        check: checks the PLC; what it raises is raised.
        ears: of the scanners.
        wait_s: how long scans are waited for, at most, once the PLC is checked.
        tell: is told what is being done.
    """
    listening = [asyncio.create_task(ear.listen()) for ear in ears]
    try:
        result = await check()
        if listening:
            tell("scanners: their scans", 0.98)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await asyncio.gather(*(ear.enough.wait() for ear in ears))
    finally:
        for task in listening:
            task.cancel()
        ended = await asyncio.gather(*listening, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    for ear in ears:
        judge(ear, result.measured)
        result.scanners.append(ear.result)
    return result
