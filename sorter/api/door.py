"""What every request meets first, files of the page and unknown paths too: name, caller, rate."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from sorter.api.access import Access, Caller, RefusedError, host_name, listed
from sorter.api.problems import problem

BURST_S = 2.0
"""So many seconds' worth of requests may come at once."""
CALLERS_MAX = 1_024
"""Callers whose rate is known; beyond it the one that was silent longest is forgotten."""


class Rate:
    """Limits how often each caller asks: a bucket each, which fills at the allowed rate."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._room = max(1.0, per_second * BURST_S)
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Count a request; return 0 if it may pass, else the seconds until the next one may."""
        now_s = self._clock()
        tokens, since_s = self._known.pop(caller, (self._room, now_s))
        tokens = min(self._room, tokens + (now_s - since_s) * self._per_second)
        passes = tokens >= 1.0
        self._known[caller] = (tokens - passes, now_s)
        while len(self._known) > CALLERS_MAX:
            self._known.popitem(last=False)
        return 0.0 if passes else (1.0 - tokens) / self._per_second


class Door:
    """The application behind its checks; leaves who calls in the request's state."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._rate = Rate(access.requests_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer with a problem (421, 429)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        name = host_name(request.headers.get("host", ""))
        if name not in self._access.names:
            refusal = problem(
                request,
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this face is not called {name[:80]!r}; it is {listed(self._access.names)}, and "
                "what http.names of the site file adds",
            )
            await refusal(scope, receive, send)
            return
        address = request.client.host if request.client else ""
        caller: Caller | RefusedError
        try:
            caller = self._access.identify(request.headers, request.cookies, address)
            who = caller.label
        except RefusedError as error:
            caller, who = error, f"address:{address}"
        wait_s = self._rate.take(who)
        if wait_s:
            refusal = problem(
                request,
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{who} asks more than http.requests_per_second of the site file allows "
                f"({self._access.requests_per_second:g}); ask less often",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)
