"""Status reports: getReport removes what it returns, so nothing that arrived is ever dropped."""

from collections import deque
from typing import Any

from emay_voice_async.endpoints import JOIN_REPORTS, MAX_REPORTS, VOICE_REPORTS, Endpoint, Product
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.exchange import Exchanges
from emay_voice_async.forms import reports_form
from emay_voice_async.replies import Answer, read_reports
from emay_voice_async.results import Report

__all__ = ["ReportReader"]

_ENDPOINTS = {end.product: end for end in (VOICE_REPORTS, JOIN_REPORTS)}


class ReportReader:
    """Asks for reports and keeps each one until somebody takes it.

    An answer is put away by the request itself, not by whoever waits for it: reports whose taker
    was cancelled or ran out of time are there for the next one.
    """

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self._kept: dict[Product, deque[Report]] = {product: deque() for product in Product}
        self.broken: list[tuple[Any, str]] = []

    @property
    def undelivered(self) -> tuple[Report, ...]:
        """The reports that arrived and were not taken, oldest first, one product after the other."""
        return tuple(report for kept in self._kept.values() for report in kept)

    async def take(self, number: int, product: Product, *, deadline: float | None = None) -> list[Report]:
        """Take up to ``number`` reports: those kept if there are any, else what one getReport brings."""
        _check_number(number)
        kept = self._kept[product]
        if not kept:
            await self._ask(number, _ENDPOINTS[product], deadline)
        return [kept.popleft() for _ in range(min(number, len(kept)))]

    async def _ask(self, number: int, endpoint: Endpoint, deadline: float | None) -> None:
        def keep(answer: Answer) -> None:
            reports, broken = read_reports(endpoint, answer)
            self._kept[endpoint.product].extend(reports)
            self.broken.extend(broken)

        await self._exchanges.call(endpoint, reports_form(number), keep, deadline=deadline)


def _check_number(number: int) -> None:
    rule = f"must be a whole number from 1 to {MAX_REPORTS}"
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidRequestError("number", rule, None, type(number).__name__)
    if not 1 <= number <= MAX_REPORTS:
        raise InvalidRequestError("number", rule, MAX_REPORTS if number > 1 else 1, number)
