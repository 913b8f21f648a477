"""Bounds over all requests."""

import asyncio

import pytest
from support.virtual_time import run

from emay_voice_async.receiver.load import Load
from emay_voice_async.receiver.responses import BUSY, RefusalError


def test_requests() -> None:
    """Only ``max_requests`` requests have a share at once."""
    load = Load(1, 10)
    with load.share():
        with pytest.raises(RefusalError) as caught, load.share():
            pass
        assert caught.value.response is BUSY
        assert load.requests == 1
    with load.share():
        pass
    assert load.requests == 0


def test_bytes() -> None:
    """All shares together hold ``max_bytes`` bytes; refused bytes are not counted."""
    load = Load(9, 10)
    with load.share() as first, load.share() as second:
        first.hold(6)
        with pytest.raises(RefusalError):
            second.hold(5)
        second.hold(4)
        assert load.bytes == 10
    assert load.bytes == 0


@pytest.mark.parametrize("ended", [False, True])
def test_a_share_until_a_thread_has_ended(*, ended: bool) -> None:
    """A share that a thread works for is released when the thread has ended."""

    async def main() -> None:
        load = Load(1, 10)
        working = asyncio.get_running_loop().create_future()
        with load.share() as share:
            share.hold(3)
            share.until(working)
            if ended:
                working.set_result(None)
        assert (load.requests, load.bytes) == ((0, 0) if ended else (1, 3))
        if not ended:
            working.set_result(None)
            await asyncio.sleep(0)
        assert (load.requests, load.bytes) == (0, 0)

    run(main())
