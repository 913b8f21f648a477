"""Deduplication of pushed reports."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.pushes import (
    APP_ID,
    KEYS,
    MOBILE,
    NETWORKS,
    OTHER_ID,
    OTHER_KEY,
    PUSH,
    SUCCESS,
    Handler,
    entry,
    fail,
    hang,
    push,
    seal,
    status,
    text_of,
)
from support.virtual_time import CancellingLoop, cancel_everywhere, now, run

from emay_voice_async import CallState, InvalidRequestError, Product, Report
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.raw_fields import RawFields
from emay_voice_async.receiver import PushReceiver, RecentReports, ReportStore
from emay_voice_async.receiver.deduplication import ClaimResult, deliver_once, report_key
from emay_voice_async.testing import ReportStoreSuite


@st.composite
def _reports(draw: st.DrawFn) -> Report:
    """Draw reports that often differ in a single field."""
    texts = st.sampled_from(["", "a", "b"])
    return Report(
        draw(st.sampled_from(Product)),
        draw(texts),
        draw(texts),
        draw(texts),
        draw(texts),
        draw(st.sampled_from(CallState)),
        draw(texts),
        draw(texts),
        draw(st.none() | st.datetimes(timezones=st.just(BEIJING))),
        draw(st.none() | st.floats(0, 100)),
        draw(st.none() | texts),
        draw(st.none() | st.sampled_from([b"", b"a"])),
    )


class TestDuplicates:
    """With a store, each report is handed over once."""

    def test_a_duplicate_is_confirmed_and_not_handed_over(self) -> None:
        """The handler gets new reports only, and is not called without any."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        assert run(push(app, seal(text_of(entry("a"), entry("b"))))) == SUCCESS
        assert run(push(app, seal(text_of(entry("b"), entry("a"))))) == SUCCESS
        assert run(push(app, seal(text_of(entry("c"), entry("b"), entry("c"), entry("d"))))) == SUCCESS
        assert handler.done == [["a", "b"], ["c", "d"]]

    def test_without_a_store_duplicates_are_handed_over(self) -> None:
        """Without a store duplicates are handed over."""
        handler = Handler()
        app = PushReceiver(KEYS, handler)
        run(push(app))
        run(push(app))
        assert handler.done == [["m1"], ["m1"]]

    @pytest.mark.parametrize(
        "other",
        [
            entry("m2"),
            entry(state="FAIL"),
            entry(keyContent="1"),
            entry(callingDuration=12),
            entry(callingTime="2017-03-15 12:00:00"),
            entry(message="answered"),
            entry(customVoiceId="c"),
            entry(mobile="13900000000"),
            entry(voiceSign="UklGRg=="),
            {"joinId": "m1", "mobile": MOBILE, "state": "SUCCESS"},
        ],
    )
    def test_different_reports_are_no_duplicates(self, other: object) -> None:
        """Reports that differ in any field are no duplicates: a later push may say more."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        run(push(app))
        run(push(app, seal(text_of(other))))
        assert len(handler.reports) == 2

    def test_one_account_cannot_hide_the_reports_of_another(self) -> None:
        """The same message id under another account's key is another report."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        run(push(app, seal(text_of(entry(appId=OTHER_ID)), OTHER_KEY), app_ids=[OTHER_ID]))
        run(push(app))
        assert handler.done == [["m1"], ["m1"]]

    def test_a_report_without_a_message_id_is_never_a_duplicate(self) -> None:
        """A report without a message id is handed over each time, in order."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        body = seal(text_of(entry("a"), entry(""), entry("b"), entry("")))
        run(push(app, body))
        run(push(app, body))
        assert handler.done == [["a", "", "b", ""], ["", ""]]

    def test_a_message_id_may_be_any_text(self) -> None:
        """Message ids with lone surrogates, which no encoding takes, have keys of their own."""
        ids = ("\ud800", "\ud801", "\ud800")
        keys = [report_key(APP_ID, Report(Product.VOICE, APP_ID, message_id)) for message_id in ids]
        assert keys[0] == keys[2] != keys[1]

    def test_a_duplicate_after_a_failure(self) -> None:
        """After a failure of the handler the same report is handed over again."""
        handler = Handler(fail)
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        assert run(status(app)) == 500
        assert run(status(app)) == 200
        assert run(status(app)) == 200
        assert (handler.begun, handler.done) == ([["m1"], ["m1"]], [["m1"]])

    def test_a_duplicate_in_the_meantime_waits_for_the_first(self) -> None:
        """A duplicate is confirmed when the handler of the first push has succeeded."""

        async def main() -> None:
            handler = Handler(lambda: asyncio.sleep(5))
            app, start = PushReceiver(KEYS, handler, deduplicate=RecentReports()), now()
            answers = await asyncio.gather(*(push(app) for _ in range(5)))
            assert answers == [SUCCESS] * 5
            assert now() - start == 5
            assert handler.begun == [["m1"]]

        run(main())

    def test_a_duplicate_in_the_meantime_is_handed_over_after_a_failure(self) -> None:
        """When the handler of the first push fails, a waiting duplicate is handed over, and the others wait."""

        async def fail_late() -> None:
            await asyncio.sleep(5)
            await fail()

        async def main() -> None:
            handler = Handler(fail_late, fail_late, lambda: asyncio.sleep(5))
            app, start = PushReceiver(KEYS, handler, deduplicate=RecentReports()), now()
            statuses = await asyncio.gather(*(status(app) for _ in range(4)))
            assert sorted(statuses) == [200, 200, 500, 500]
            assert now() - start == 15
            assert (len(handler.begun), len(handler.done)) == (3, 1)

        run(main())

    def test_a_duplicate_does_not_wait_forever(self) -> None:
        """A duplicate waits for ``handler_timeout`` seconds, and is then answered 500."""

        async def main() -> None:
            handler, start = Handler(*[hang] * 9), now()
            app = PushReceiver(KEYS, handler, deduplicate=RecentReports(), handler_timeout=10)

            async def at(delay: float) -> tuple[int, float]:
                await asyncio.sleep(delay)
                return await status(app), now() - start

            ends = await asyncio.gather(*(at(delay) for delay in (0, 1, 2, 3)))
            assert ends == [(500, 10), (500, 20), (500, 12), (500, 13)]
            assert len(handler.begun) == 2

        run(main())

    def test_pushes_that_share_reports_do_not_block_each_other(self) -> None:
        """Pushes with common reports in any order do not block each other: no claim is held while waiting."""

        async def main() -> None:
            handler = Handler(*[lambda: asyncio.sleep(1)] * 3)
            app, start = PushReceiver(KEYS, handler, deduplicate=RecentReports()), now()
            bodies = [["a", "b", "c"], ["c", "d", "a"], ["d", "e", "b"]]
            answers = await asyncio.gather(*(push(app, seal(text_of(*map(entry, ids)))) for ids in bodies))
            assert answers == [SUCCESS] * 3
            assert handler.done[0] == ["a", "b", "c"]
            assert sorted(handler.done[1:]) == [["d"], ["e"]]
            assert now() - start == 1

        run(main())

    def test_no_cancellation_leaves_a_claim(self) -> None:
        """Cancelled at any point, the first push is confirmed, or can be repeated at once."""

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            async def play(loop: CancellingLoop) -> None:
                start, handler = loop.time(), Handler(*[lambda: asyncio.sleep(0)] * 2)
                app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
                loop.victim = first = asyncio.create_task(push(app))
                second = asyncio.create_task(push(app))
                await asyncio.wait([first, second])
                assert first.cancelled() or first.result() == SUCCESS
                assert second.result() == SUCCESS
                assert await push(app) == SUCCESS
                assert handler.done == [["m1"]]
                assert loop.time() == start

            return play

        assert cancel_everywhere(scenario) > 4

    def test_the_oldest_reports_are_forgotten(self) -> None:
        """The store keeps so many and no more; the oldest go first."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports(maxsize=2))
        for message_id in ("a", "b", "c", "b", "c", "a"):
            run(push(app, seal(text_of(entry(message_id)))))
        assert handler.done == [["a"], ["b"], ["c"], ["a"]]

    @pytest.mark.parametrize("maxsize", [0, -1, True, 1.5, "1"])
    def test_a_store_has_a_size(self, maxsize: Any) -> None:
        """A size that is none is refused when the store is made."""
        with pytest.raises(InvalidRequestError, match=r"^maxsize: "):
            RecentReports(maxsize)

    def test_waiting_for_an_ended_claim_returns(self) -> None:
        """The claim may have ended between asking and waiting."""
        run(RecentReports().wait("nothing"))

    @given(st.lists(_reports(), min_size=2, max_size=2))
    def test_keys_are_equal_for_equal_reports_only(self, reports: list[Report]) -> None:
        """Two reports with a message id have the same key exactly if they are equal."""
        one, other = (evolve(report, message_id="m") for report in reports)
        assert (report_key(APP_ID, one) == report_key(APP_ID, other)) == (one == other)
        assert report_key(APP_ID, one) == report_key(APP_ID, evolve(one))

    def test_raw_values_count(self) -> None:
        """Two reports with different raw values in ``unreadable`` are no duplicates."""
        values: list[Any] = [{}, {"a": 1}, {"a": 2}, {"a": [1]}, {"b": {"c": None}}]
        reports = [Report(Product.VOICE, APP_ID, "m", unreadable=RawFields(one)) for one in values]
        assert len({report_key(APP_ID, report) for report in reports}) == len(values)

    def test_a_forged_plain_report_hides_no_encrypted_report(self) -> None:
        """A plain report is no duplicate of an encrypted report with the same fields."""
        handler = Handler()
        app = PushReceiver(
            KEYS, handler, allow_plain=True, plain_networks=NETWORKS, deduplicate=RecentReports()
        )
        for body in (text_of(entry()), PUSH, text_of(entry()), PUSH):
            assert run(push(app, body)) == SUCCESS
        assert handler.done == [["m1"], ["m1"]]

    def test_a_large_push_does_not_hold_up_the_loop(self) -> None:
        """The keys of 10,000 reports are made in slices, with turns of the event loop in between."""

        async def main() -> None:
            handler, turns = Handler(), 0
            reports = [Report(Product.VOICE, APP_ID, f"m{number}") for number in range(10_000)]

            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            counting = asyncio.create_task(count())
            await deliver_once(RecentReports(), APP_ID, reports, handler)
            counting.cancel()
            await asyncio.wait([counting])
            assert turns >= 19
            assert len(handler.reports) == 10_000

        run(main())

    def test_keys_are_short_digests(self) -> None:
        """Keys have 32 characters and do not contain report fields."""
        report = Report(Product.VOICE, APP_ID, "m" * 1000, mobile=MOBILE, raw_state="SUCCESS")
        assert report_key(APP_ID, report) == report_key(APP_ID, report)
        assert len(report_key(APP_ID, report)) == len(report_key(APP_ID, Report(Product.VOICE))) == 32


class RemoteStore:
    """A store as over a network: with round trips, polling and failures."""

    def __init__(self, *broken: str) -> None:
        self._broken = broken
        self._claims: dict[str, ClaimResult] = {}

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Claim with a round trip on each side."""
        await self._trip("claim")
        found = [self._claims.get(key, ClaimResult.CLAIMED) for key in keys]
        self._claims |= {key: ClaimResult.HELD for key in keys if key not in self._claims}
        await asyncio.sleep(0.1)
        return found

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """Keep, or give back."""
        await self._trip("settle")
        for key in keys:
            self._claims[key] = ClaimResult.HANDLED
            if not handled:
                del self._claims[key]

    async def wait(self, key: str) -> None:
        """Come back before anything happened."""
        await self._trip("wait")

    async def _trip(self, name: str) -> None:
        await asyncio.sleep(0.1)
        if name in self._broken:
            raise ConnectionError(f"no {name}")


class TestOtherStores:
    """Stores other than RecentReports."""

    def test_a_store_may_be_far_away(self) -> None:
        """A store that polls serves as well."""

        async def main() -> None:
            store: ReportStore = RemoteStore()
            handler = Handler(fail, lambda: asyncio.sleep(5))
            app = PushReceiver(KEYS, handler, deduplicate=store)
            statuses = await asyncio.gather(*(status(app) for _ in range(4)))
            assert sorted(statuses) == [200, 200, 200, 500]
            assert len(handler.done) == 1

        run(main())

    def test_a_store_that_cannot_claim_hands_nothing_over(self) -> None:
        """A failed claim is answered 500, and no report is handed over."""
        handler = Handler()
        assert run(status(PushReceiver(KEYS, handler, deduplicate=RemoteStore("claim")))) == 500
        assert not handler.begun

    @pytest.mark.parametrize(("steps", "expected"), [([], 200), ([fail], 500)])
    def test_a_store_that_cannot_settle_does_not_change_what_happened(
        self, steps: list[Callable[[], Awaitable[None]]], expected: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The handler's result is answered, and the log has the store's."""
        app = PushReceiver(KEYS, Handler(*steps), deduplicate=RemoteStore("settle"))
        assert run(status(app)) == expected
        assert "no settle" in caplog.text
        assert ("no database" in caplog.text) == bool(steps)


class TestConformance(ReportStoreSuite):
    """RecentReports keeps the promises of a report store."""

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Callable[[], ReportStore]]:
        """Make a store for one process."""
        store = RecentReports()
        yield lambda: store
