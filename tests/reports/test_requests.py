"""getReport requests: shared, cancelled, spooled."""

import asyncio
import json
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from support.clients import ids, in_real_time, living, page, with_voice
from support.http_transport import Script, Step, answers, code
from support.virtual_time import now, run

from emay_voice_async import (
    AccountError,
    AnswerError,
    AsyncEmayVoice,
    InvalidRequestError,
    Notice,
    OutcomeUnknownError,
    Product,
    RateLimit,
    RateLimits,
    Ticket,
)
from emay_voice_async.reports.spool import Spool
from emay_voice_async.sandbox import Sandbox


class TestSharing:
    """Calls that share a request."""

    def test_late_reports_after_closing(self) -> None:
        """Closing waits for a running request; the reports are in ``undelivered_reports``."""

        async def main() -> Any:
            script = Script(answers(page("1"), after=40))
            async with script.client() as client:
                voice = AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client)
                async with voice:
                    with pytest.raises(OutcomeUnknownError):
                        await voice.take_reports()
                return voice.undelivered_reports

        assert ids(run(main())) == ["1"]

    def test_a_late_answer_that_cannot_be_read(self) -> None:
        """An unreadable answer that arrives after the deadline of its caller is kept in ``broken_reports``."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(OutcomeUnknownError):
                await voice.take_reports(deadline=1)
            await asyncio.sleep(5)
            [(raw, reason)] = voice.broken_reports
            assert raw == b"<html>"
            assert "not JSON" in reason

        with_voice(Script(answers(b"<html>", after=2)), main)

    def test_two_takers_at_once(self) -> None:
        """Two calls at the same time share one request; each report goes to one call."""
        script = Script(answers(page("1", "2"), after=1), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            first, second = await asyncio.gather(voice.take_reports(1), voice.take_reports(5))
            assert (ids(first), ids(second)) == (["1"], ["2"])
            assert len(script.requests) == 1

        with_voice(script, main)

    def test_the_deadline_of_the_second_taker(self) -> None:
        """A call that joins a running request ends at its own deadline; the reports go to the other call."""

        async def main(voice: AsyncEmayVoice) -> None:
            first = asyncio.ensure_future(voice.take_reports())
            await asyncio.sleep(1)
            began = now()
            with pytest.raises(OutcomeUnknownError, match="deadline"):
                await voice.take_reports(deadline=2)
            assert now() - began == 2
            assert ids(await first) == ["1"]

        with_voice(Script(answers(page("1"), after=10)), main)

    def test_the_first_taker_is_cancelled_before_its_request_left(self) -> None:
        """A call that joined a request which was then cancelled makes a new request."""
        script = Script(answers(page("1")), answers(page("2")))

        async def main(voice: AsyncEmayVoice) -> None:
            assert ids(await voice.take_reports(1)) == ["1"]
            first = asyncio.ensure_future(voice.take_reports())
            await asyncio.sleep(0.1)
            second = asyncio.ensure_future(voice.take_reports())
            await asyncio.sleep(0.1)
            first.cancel()
            assert ids(await second) == ["2"]
            assert first.cancelled()

        with_voice(script, main, rate_limits=RateLimits(reports=RateLimit(1, 1.0)))

    def test_the_deadline_of_the_first_taker(self) -> None:
        """A call that joined a request whose deadline passed makes a new request."""
        script = Script(answers(page("1"), after=3), answers(page("2"), after=3))

        async def main(voice: AsyncEmayVoice) -> None:
            first = asyncio.ensure_future(voice.take_reports(deadline=1))
            second = asyncio.ensure_future(voice.take_reports())
            with pytest.raises(OutcomeUnknownError):
                await first
            # The late answer of the first came meanwhile.
            assert ids(await second) == ["1", "2"]

        with_voice(script, main)


class TestSpool:
    """``reports(spool=...)``: a killed process loses no report."""

    def test_a_file_as_long_as_somebody_has_reports_in_it(self, tmp_path: Path) -> None:
        """The raw answer is on disk, byte for byte, until the last report was handed out."""
        first = json.dumps(page("1", "2")).encode()
        script = Script(answers(first), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            files = []
            async for _ in voice.reports(spool=tmp_path):
                [file] = tmp_path.iterdir()
                files.append(file)
                assert file.read_bytes() == first
            assert len(set(files)) == 1
            assert list(tmp_path.iterdir()) == []

        in_real_time(script, main)

    def test_what_was_given_back_stays_on_disk(self, tmp_path: Path) -> None:
        """An answer whose last report was put back is left to the next process."""

        async def first(voice: AsyncEmayVoice) -> None:
            stream = voice.reports(spool=tmp_path)
            assert (await anext(stream)).message_id == "1"
            with pytest.raises(OSError, match="full"):
                await stream.athrow(OSError("the disk is full"))

        async def second(voice: AsyncEmayVoice) -> None:
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["1"]
            assert list(tmp_path.iterdir()) == []

        in_real_time(Script(answers(page("1"))), first)
        in_real_time(Script(answers(page())), second)

    def test_leftovers_of_an_earlier_process_come_first(self, tmp_path: Path) -> None:
        """A new client delivers the leftovers of the folder before its first request."""

        async def first(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(spool=str(tmp_path))) as reports:
                async for report in reports:
                    assert report.message_id == "1"
                    break

        async def second(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(spool=tmp_path)) as reports:
                assert (await anext(reports)).message_id == "1"
            assert ids(await voice.take_reports(1)) == ["2"]
            assert list(tmp_path.iterdir()) == []
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["3"]
            with pytest.raises(InvalidRequestError, match="spool"):
                await anext(voice.reports(spool=tmp_path / "other"))

        in_real_time(Script(answers(page("1", "2"))), first)
        in_real_time(Script(answers(page("3")), answers(page())), second)

    @pytest.mark.parametrize("searched", [False, True])
    def test_one_file_for_each_answer(self, tmp_path: Path, searched: bool) -> None:
        """The file of an answer is removed with the last report of this answer, by any way of taking."""
        for names in (("1", "2", "3"), ("4", "5")):
            Spool(tmp_path, "a").write(Product.VOICE, json.dumps(page(*names)).encode())

        async def main(voice: AsyncEmayVoice) -> None:
            stream = voice.reports(spool=tmp_path)
            assert (await anext(stream)).message_id == "1"
            first, second = sorted(tmp_path.iterdir())
            if searched:
                assert (await voice.wait_for_report(Ticket("", "4", ""), poll=False)).message_id == "4"
            with pytest.raises(OSError, match="full"):
                await stream.athrow(OSError("the disk is full"))
            assert ids(await voice.take_reports(3)) == ["1", "2", "3"]
            assert list(tmp_path.iterdir()) == [second]
            async with aclosing(voice.reports(spool=tmp_path)) as rest:
                assert (await anext(rest)).message_id == ("5" if searched else "4")
                assert not first.exists()
                if not searched:
                    assert ids(await voice.take_reports(1)) == ["5"]
                assert list(tmp_path.iterdir()) == [second]
            assert list(tmp_path.iterdir()) == []

        in_real_time(Script(answers(page())), main)

    def test_unreadable_answers_are_renamed(self, tmp_path: Path) -> None:
        """An unreadable answer, and an answer with a broken report, are renamed and kept."""
        broken = page("1", "2")
        broken["data"][0] = 7  # type: ignore[index]
        script = Script(
            answers(b"<html>"), answers(broken), answers({"code": "SUCCESS", "data": [1]}), answers(page())
        )

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(AnswerError):
                await anext(voice.reports(spool=tmp_path))
            assert [report.message_id async for report in voice.reports()] == ["2"]
            assert sorted(file.suffix for file in tmp_path.iterdir()) == [".broken"] * 3
            assert len(voice.broken_reports) == 3

        in_real_time(script, main)

    def test_a_leftover_that_cannot_be_read(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A leftover that makes no sense is put aside and logged, and the others are delivered."""
        Spool(tmp_path, "a").write(Product.VOICE, b"<html>")
        Spool(tmp_path, "a").write(Product.VOICE, json.dumps(page("1")).encode())

        async def main(voice: AsyncEmayVoice) -> None:
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["1"]
            assert [file.suffix for file in tmp_path.iterdir()] == [".broken"]
            assert [raw for raw, _ in voice.broken_reports] == [b"<html>"]

        in_real_time(Script(answers(page())), main)
        assert "cannot be read" in caplog.text

    @pytest.mark.parametrize(
        "step", [code("ERROR_SIGN"), answers(b"<html>", status=502)], ids=["code", "gateway"]
    )
    def test_a_refusal_leaves_no_file(self, step: Step, tmp_path: Path) -> None:
        """An answer in which no report can be needs not be kept."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises((AccountError, AnswerError)):
                await anext(voice.reports(spool=tmp_path))
            assert list(tmp_path.iterdir()) == []
            assert voice.broken_reports == ()

        in_real_time(Script(step), main)

    def test_a_request_that_is_made_again(self, tmp_path: Path) -> None:
        """The file of a report is that of the last attempt, and refused attempts leave none."""
        script = Script(*[code("ERROR_OVER_SPEED")] * 2, answers(page("1")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(spool=tmp_path)) as reports:
                assert (await anext(reports)).message_id == "1"
                [file] = tmp_path.iterdir()
                assert json.loads(file.read_bytes()) == page("1")
                assert await anext(reports, None) is None
            assert list(tmp_path.iterdir()) == []

        in_real_time(script, main)

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        """A folder that cannot be written is refused before the first request; a good folder is accepted afterwards."""
        script = Script(answers(page("1")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            for _ in range(2):
                with pytest.raises(InvalidRequestError, match="can be read and written"):
                    await anext(voice.reports(spool="/dev/null/folder"))
            assert not script.requests
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["1"]

        in_real_time(script, main)

    def test_the_first_stream_is_cancelled_while_leftovers_load(self, tmp_path: Path) -> None:
        """Leftovers are delivered before new reports, also to a second stream when the first is cancelled."""
        for name in "12":
            Spool(tmp_path, "a").write(Product.VOICE, json.dumps(page(name)).encode())
        (tmp_path / "0-voice.json").mkdir()

        async def main(voice: AsyncEmayVoice) -> None:
            first = asyncio.ensure_future(anext(voice.reports(spool=tmp_path)))
            second = asyncio.ensure_future(anext(voice.reports(spool=tmp_path)))
            await asyncio.sleep(0)
            first.cancel()
            assert (await second).message_id == "1"
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["2", "3"]

        in_real_time(Script(answers(page("3")), answers(page())), main)

    def test_a_folder_in_use(self, tmp_path: Path) -> None:
        """A second client with the same folder is refused until the first client is closed."""
        script = Script(answers(page("1")), answers(page()), answers(page("2")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["1"]

            async def refused(other: AsyncEmayVoice) -> None:
                for _ in range(2):
                    with pytest.raises(InvalidRequestError, match="one client of one process at a time"):
                        await anext(other.reports(spool=tmp_path))

            async def accepted(other: AsyncEmayVoice) -> None:
                assert [report.message_id async for report in other.reports(spool=tmp_path)] == ["2"]

            await living(script, refused)
            await voice.aclose()
            await living(script, accepted)

        in_real_time(script, main)

    def test_a_folder_of_another_account(self, tmp_path: Path) -> None:
        """A folder with reports of another account is refused before the first request."""
        Spool(tmp_path, "another").write(Product.VOICE, json.dumps(page("1")).encode())
        script = Script(answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(InvalidRequestError, match=r"reports of another account \(another\)"):
                await anext(voice.report_pages(spool=tmp_path))

        in_real_time(script, main)
        assert not script.requests

    def test_a_page_stays_on_disk_until_the_next(self, tmp_path: Path) -> None:
        """The file of a page is removed when the next page is asked for, and stays after any other end."""
        script = Script(answers(page("1", "2")), answers(page("3")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.report_pages(spool=tmp_path)) as pages:
                assert ids(await anext(pages)) == ["1", "2"]
                [first] = tmp_path.iterdir()
                assert ids(await anext(pages)) == ["3"]
                [second] = tmp_path.iterdir()
                assert first != second
            assert list(tmp_path.iterdir()) == [second]
            assert [ids(one) async for one in voice.report_pages(spool=tmp_path)] == [["3"]]
            assert list(tmp_path.iterdir()) == []

        in_real_time(script, main)

    def test_a_folder_that_fails(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """When the folder is lost, reports are delivered all the same, and the failure is logged."""
        folder = tmp_path / "folder"
        broken = page("2", "3")
        broken["data"][0] = 7  # type: ignore[index]

        async def main(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(spool=folder)) as reports:
                for awaited in ("1", "3"):
                    assert (await anext(reports)).message_id == awaited
                    # The file of this report can be neither removed nor renamed any more.
                    folder.rename(tmp_path / f"gone {awaited}")
                    folder.write_bytes(b"a file where the folder should be")
                    if awaited == "1":
                        folder.unlink()
                        folder.mkdir()
                        (folder / next((tmp_path / "gone 1").iterdir()).name).mkdir()
                assert (await anext(reports)).message_id == "4"

        in_real_time(Script(answers(page("1")), answers(broken), answers(page("4"))), main)
        assert "cannot be removed" in caplog.text
        assert "cannot be renamed" in caplog.text
        assert "could not be spooled" in caplog.text

    def test_an_answer_while_leftovers_load(self, tmp_path: Path) -> None:
        """An answer that comes while the leftovers are read is none of them: no report comes twice."""
        Spool(tmp_path, "a").write(Product.VOICE, json.dumps(page("1")).encode())
        script = Script(answers(page("2"), after=0.01), answers(page()))

        async def stream(voice: AsyncEmayVoice) -> list[str]:
            return [report.message_id async for report in voice.reports(spool=tmp_path)]

        async def main(voice: AsyncEmayVoice) -> None:
            may_read = threading.Event()
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(1))
            held_up = loop.run_in_executor(None, may_read.wait)
            taken = asyncio.ensure_future(voice.take_reports())
            while not script.requests:
                await asyncio.sleep(0)
            streamed = asyncio.ensure_future(stream(voice))
            while not script.ended:
                await asyncio.sleep(0)
            for _ in range(20):
                # The next step of the answer is in the queue of the thread by then.
                await asyncio.sleep(0)
            may_read.set()
            await held_up
            assert sorted([*ids(await taken), *await streamed, *await stream(voice)]) == ["1", "2"]
            assert list(tmp_path.iterdir()) == []

        in_real_time(script, main)

    def test_without_a_thread(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Where no thread can be started, reports are delivered all the same; a folder can be used later."""

        class NoThreads(ThreadPoolExecutor):
            def submit(self, *_: object, **__: object) -> Any:
                raise RuntimeError("can't start new thread")

        script = Script(answers(page("1")), answers(page("2")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(NoThreads())
            with pytest.raises(RuntimeError):
                await anext(voice.reports(spool=tmp_path))
            loop.set_default_executor(ThreadPoolExecutor(1))
            async with aclosing(voice.reports(spool=tmp_path)) as reports:
                assert (await anext(reports)).message_id == "1"
                loop.set_default_executor(NoThreads())
                assert (await anext(reports)).message_id == "2"

        in_real_time(script, main)
        assert "could not be spooled" in caplog.text

    @pytest.mark.slow
    def test_killed_again_and_again(self, tmp_path: Path) -> None:
        """Kill -9 in the middle of draining, five times: no report that came is lost; some come twice."""
        sandbox = Sandbox(rate_limits=RateLimits(send=None, reports=None, balance=None))
        program = (
            "import asyncio, os, signal, sys\n"
            "from emay_voice_async import AsyncEmayVoice, RateLimits\n"
            "async def main(url, app_id, secret_key, spool, kill_after):\n"
            "    limits, got = RateLimits(reports=None), 0\n"
            "    async with AsyncEmayVoice(url, app_id=app_id, secret_key=secret_key, rate_limits=limits) as voice:\n"
            "        async for report in voice.reports(spool=spool):\n"
            "            print(report.message_id, flush=True)\n"
            "            got += 1\n"
            "            if got == int(kill_after):\n"
            # Killed from outside, the process could have an unknown request running.
            "                os.kill(os.getpid(), signal.SIGKILL)\n"
            "asyncio.run(main(*sys.argv[1:]))\n"
        )

        async def drain(url: str, kill_after: int) -> list[str]:
            arguments = [url, sandbox.app_id, sandbox.secret_key, str(tmp_path), str(kill_after)]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", program, *arguments), stdout=asyncio.subprocess.PIPE
            )
            printed, _ = await process.communicate()
            assert process.returncode == (-signal.SIGKILL if kill_after else 0)
            return printed.decode().split()

        async def main() -> tuple[list[str], list[str]]:
            async with sandbox.serve() as url:
                async with AsyncEmayVoice(
                    url,
                    app_id=sandbox.app_id,
                    secret_key=sandbox.secret_key,
                    rate_limits=RateLimits(send=None),
                ) as voice:
                    tickets = (await voice.send(Notice("..."), [f"1380{n:06}9" for n in range(5000)])).tickets
                got = []
                for kill_after in (1, 700, 1000, 1001, 1500, 0):
                    got += await drain(url, kill_after)
            return [ticket.message_id for ticket in tickets], got

        sent, got = asyncio.run(main())
        assert set(got) == set(sent)
        assert len(got) < 5000 + 5 * 1000
        assert list(tmp_path.iterdir()) == []
