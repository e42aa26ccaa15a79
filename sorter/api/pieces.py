"""The histories of pieces and sensors, and what lines were told, from the store."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from sorter.api.problems import ProblemError
from sorter.errors import UnavailableError

CODE_LENGTH_MAX = 128
"""Characters of a code that can be asked for; a label's code has at most 40 bytes, and
line/boot/piece at most 32 + 10 + 10."""
QUERY_TIMEOUT_S = 10.0
"""A history that takes longer is given up."""
QUERIES_MAX = 8
"""Histories asked for at once; one more is told to come again, so that nobody's curiosity takes
the database away from the recorder."""

T = TypeVar("T")


class PieceStore(Protocol):
    """What the face asks of the store. Each may raise UnavailableError where it is away."""

    async def open(self) -> None:
        """Begin to use the store; one that is away now may come later."""

    async def close(self) -> None:
        """Let the store go."""

    async def ping(self) -> None:
        """Return once the store has answered."""

    async def piece_history(self, code: str) -> dict[str, Any] | None:
        """Return all that is recorded of the pieces with this code, None where there are none.

        Args:
            code: A waybill, a piece id, or line/boot/piece.
        """

    async def line_commands(
        self, line: str, actions: list[str], before: str, limit: int
    ) -> dict[str, Any]:
        """Return what a line was told, the newest first.

        Args:
            line: Its name.
            actions: Of these kinds; all if empty.
            before: ``next_before`` of the page before; empty for the newest.
            limit: At most so many.

        Returns:
            ``{"commands": [...], "next_before": "..."}``; the latter None on the last page.
        """

    async def sensor_history(
        self, name: str, limit: int, before: tuple[int, int, int] | None
    ) -> list[dict[str, Any]]:
        """Return at most ``limit`` events of a sensor, newest first.

        Args:
            name: Of the sensor.
            limit: Events.
            before: Place of the event to go on from; the newest ones if None.
        """


class StoreAwayError(UnavailableError):
    """The store did not answer."""


async def ask(question: Awaitable[T], timeout_s: float) -> T:
    """Return the store's answer; StoreAwayError where it gives none in time."""
    try:
        return await asyncio.wait_for(question, timeout_s)
    except TimeoutError:
        raise StoreAwayError(
            f"the database did not answer in {timeout_s:.0f} s; see its log and load"
        ) from None
    except (UnavailableError, OSError) as error:
        raise StoreAwayError(f"the database is away: {error}") from None


class Histories:
    """Asks for histories, a bounded number at once."""

    def __init__(self, store: PieceStore) -> None:
        self._store = store
        self._asking = 0

    async def of(self, code: str) -> dict[str, Any]:
        """Return the history of the pieces with a code.

        Raises:
            ProblemError: no such piece, a code that can't be one, or too many questions at once.
            StoreAwayError: the database is away.
        """
        code = _checked(code)
        history = await self._ask(lambda: self._store.piece_history(code))
        if not history:
            raise ProblemError(
                HTTPStatus.NOT_FOUND,
                f"no piece known by {code!r}; give its waybill, its piece id, or line/boot/piece "
                "(a piece appears here once the recorder has written it)",
            )
        return history

    async def of_line(
        self, line: str, actions: list[str], before: str, limit: int
    ) -> dict[str, Any]:
        """Return a page of what a line was told, as the store does.

        Raises:
            StoreAwayError: the database is away, or too many questions at once.
        """
        return await self._ask(lambda: self._store.line_commands(line, actions, before, limit))

    async def of_sensor(
        self, name: str, limit: int, before: tuple[int, int, int] | None
    ) -> list[dict[str, Any]]:
        """Return a page of a sensor's events, as the store does; raises as :meth:`of_line`."""
        return await self._ask(lambda: self._store.sensor_history(name, limit, before))

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        if self._asking >= QUERIES_MAX:
            raise StoreAwayError(f"{QUERIES_MAX} histories are being looked up; ask again")
        self._asking += 1
        try:
            return await ask(question(), QUERY_TIMEOUT_S)
        finally:
            self._asking -= 1


def _checked(code: str) -> str:
    code = code.strip()
    if not code:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the code is empty; give a waybill or piece id")
    if len(code) > CODE_LENGTH_MAX:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            f"the code has {len(code)} characters, none has more than {CODE_LENGTH_MAX}",
        )
    if "\0" in code:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the code holds a NUL, which no code can")
    return code
