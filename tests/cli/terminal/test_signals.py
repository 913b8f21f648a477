"""Stop requests by signals."""

import asyncio
import os
import signal

import pytest

from emay_voice_async.cli.terminal.signals import StopRequest


class TestStopRequest:
    """The first and the second signal."""

    def test_ignored_signal(self) -> None:
        """A signal that is ignored, as for a background command, stays ignored."""
        begun: list[bool] = []

        async def main() -> None:
            with StopRequest().handling_signals(lambda: begun.append(True)):
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(0)

        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            asyncio.run(main())
        finally:
            signal.signal(signal.SIGINT, before)
        assert begun == []

    def test_second_signal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second signal ends the process at once."""
        begun: list[bool] = []

        def end(code: int) -> None:
            raise SystemExit(code)

        async def main() -> None:
            with StopRequest().handling_signals(lambda: begun.append(True)):
                signal.raise_signal(signal.SIGINT)
                with pytest.raises(SystemExit) as caught:
                    signal.raise_signal(signal.SIGINT)
                assert caught.value.code == 130
                await asyncio.sleep(0)

        monkeypatch.setattr(os, "_exit", end)
        asyncio.run(main())
        assert begun == [True]
