"""The cost of a send."""

import asyncio
from decimal import Decimal

import pytest

from emay_voice_async import AsyncEmayVoice, Product, VerificationCode
from emay_voice_async.cli.campaign import spending as module
from emay_voice_async.cli.campaign.spending import Spending
from emay_voice_async.sandbox import Fault, Sandbox


class TestSentence:
    """The cost in words."""

    def test_unknown(self) -> None:
        """Without a price and without two balances, nothing is said."""
        assert Spending(Product.VOICE).sentence(5) == ""
        assert Spending(Product.VOICE, Decimal(1)).sentence(5) == ""

    def test_price(self) -> None:
        """A price is multiplied by the accepted calls."""
        words = Spending(Product.VOICE, price=Decimal("0.12")).sentence(5)
        assert words == "cost 0.6, by the price of 0.12 a call"


def test_balance(service: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The balance is asked for now and then; a failed query, or an unknown balance before, changes no figure."""
    monkeypatch.setattr(module, "INTERVAL", 0.0)

    async def scenario() -> None:
        async with AsyncEmayVoice.from_env() as voice:
            spending = Spending(Product.VOICE)
            await spending.ask(voice)
            assert spending.now is None
            spending = Spending(Product.VOICE, await voice.get_balance())
            await voice.send(VerificationCode("4711"), "13800000000")
            service.fail_next(Fault.code("ERROR_APPID"), on="balance")
            await spending.ask(voice)
            assert spending.now is None
            following = asyncio.ensure_future(spending.follow(voice))
            while spending.now is None:
                await asyncio.sleep(0)
            following.cancel()
            before, after = service.account.price + service.balance, service.balance
            assert (spending.before, spending.now) == (before, after)

    asyncio.run(scenario())
