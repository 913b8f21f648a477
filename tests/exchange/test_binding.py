"""The event loop of a client."""

import asyncio

import pytest

from emay_voice_async.errors import InvalidRequestError, UsageError
from emay_voice_async.exchange.binding import LoopBinding, instant_of


async def _enter(binding: LoopBinding) -> None:
    binding.enter()


class TestLoopBinding:
    """The loop of the first call is the loop of all calls."""

    def test_the_first_call_binds(self) -> None:
        """Calls in the loop of the first call pass; a call in another loop, or in no loop, is refused."""
        binding = LoopBinding()
        with asyncio.Runner() as runner, asyncio.Runner() as other:
            runner.run(_enter(binding))
            runner.run(_enter(binding))
            with pytest.raises(UsageError, match="event loop of its first call"):
                other.run(_enter(binding))
            with pytest.raises(UsageError, match="event loop of its first call"):
                binding.check()

    def test_before_the_first_call(self) -> None:
        """Without a call the check passes in any loop and in none."""
        LoopBinding().check()

    def test_after_closing(self) -> None:
        """A closed client refuses calls."""
        binding = LoopBinding()
        binding.closed = True
        with pytest.raises(UsageError, match="is closed"):
            asyncio.run(_enter(binding))


class TestInstantOf:
    """Deadlines as instants of the loop's clock."""

    def test_an_instant(self) -> None:
        """A deadline counts from now; None stays None."""

        async def main() -> None:
            assert instant_of(None) is None
            before = asyncio.get_running_loop().time()
            instant = instant_of(20)
            assert instant is not None
            assert 20 <= instant - before < 25

        asyncio.run(main())

    @pytest.mark.parametrize("deadline", [0, -1, True, "5", float("nan")])
    def test_a_wrong_deadline(self, deadline: float) -> None:
        """A deadline is a number of seconds above 0."""
        with pytest.raises(InvalidRequestError, match="deadline: must be a number of seconds above 0"):
            instant_of(deadline)
