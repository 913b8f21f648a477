"""The share of a client in each turn of the event loop, which belongs to the application."""

import asyncio
from collections import deque
from typing import Final

__all__ = ["STEPS_PER_TURN", "TurnBudget"]

STEPS_PER_TURN: Final = 8
"""Steps of a client in one turn of the event loop: a batch is read, a request posted, or a response read."""


class TurnBudget:
    """Spreads the steps of a client over turns of the event loop: responses first, the others in order of arrival.

    Without it, 100 slots that are freed at once, or 100 responses that come at once, would block the event loop
    for the time of 100 steps (benchmark: loop). A response that is read frees a connection for the next request
    (benchmark: codes). A budget belongs to a single event loop, and is entered (``with``) by each call and each send
    while it lasts.
    """

    def __init__(self, steps: int = STEPS_PER_TURN) -> None:
        self._steps = steps
        self._users = 0
        self._left = steps
        self._counting = False
        self._responses: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    def __enter__(self) -> None:
        self._users += 1

    def __exit__(self, *_: object) -> None:
        self._users -= 1

    async def request(self) -> None:
        """Take the step of a user that begins a request; with few users no step needs to be counted."""
        if self._users > self._steps:
            await self._step(self._others)

    async def response(self) -> None:
        """Take the step of a user that reads a response; with few users no step needs to be counted."""
        if self._users > self._steps:
            await self._step(self._responses)

    async def step(self) -> None:
        """Take one of many steps of a user: return at once if this turn has a step left, or else in a later turn."""
        await self._step(self._others)

    async def _step(self, waiting: "deque[asyncio.Future[None]]") -> None:
        loop = asyncio.get_running_loop()
        if not self._counting:
            self._counting = True
            self._left = self._steps
            loop.call_soon(self._next_turn, loop)
        if self._left:
            self._left -= 1
            return
        turn = loop.create_future()
        waiting.append(turn)
        await turn

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Grant the steps of the next turn, and keep counting while steps wait."""
        self._left = self._steps
        for waiting in (self._responses, self._others):
            while waiting and self._left:
                turn = waiting.popleft()
                if not turn.done():
                    self._left -= 1
                    turn.set_result(None)
        self._counting = self._left < self._steps
        if self._counting:
            # After the callbacks of the granted steps.
            loop.call_soon(self._next_turn, loop)
