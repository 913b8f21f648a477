"""What a send costs: by the price of a call, or by the balance before and after."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Final

from attrs import define

from emay_voice_async.cli.terminal.formatting import money
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.errors import EmayVoiceError
from emay_voice_async.model.endpoints import Product

__all__ = ["Spending"]

INTERVAL: Final = 30.0
"""Seconds between two balance queries of a long send."""


@define
class Spending:
    """The balance before a send and now; ``price``: of a call, if the user gave one."""

    product: Product
    before: Decimal | None = None
    price: Decimal | None = None
    now: Decimal | None = None

    async def ask(self, voice: AsyncEmayVoice) -> None:
        """Ask for the balance; a failed query changes no figure."""
        if self.before is not None:
            with suppress(EmayVoiceError):
                self.now = await voice.get_balance(product=self.product)

    async def follow(self, voice: AsyncEmayVoice) -> None:
        """Ask for the balance every INTERVAL seconds until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.ask(voice)

    def sentence(self, accepted: int) -> str:
        """Say what ``accepted`` calls cost, and how that is known; "" if neither is known."""
        if self.price is not None:
            return gettext(
                "cost {cost}, by the price of {price} a call",
                cost=money(self.price * accepted),
                price=money(self.price),
            )
        if self.before is None or self.now is None:
            return ""
        return gettext(
            "cost {cost}, by the balance: {before} before, {after} now",
            cost=money(self.before - self.now),
            before=money(self.before),
            after=money(self.now),
        )
