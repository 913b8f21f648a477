"""One send's journal session: which recipients to call, claims, and outcomes."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.journal_spy import Watched
from support.virtual_time import run

from emay_voice_async.errors import (
    AnswerError,
    DuplicateError,
    EmayVoiceError,
    JournalError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from emay_voice_async.journal.protocol import JournalRun, Key, Standing, State
from emay_voice_async.journal.session import JournalSession, Selection, as_journal_error, reason_of
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Refused, Ticket, Unknown
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, begun, claim, keys, report_of, settled

MOBILES = [key.mobile for key in keys(*range(20))]


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    """Make a journal in a file."""
    return SqliteJournal(tmp_path / "run.db")


def session_of(run_: JournalRun, **options: bool) -> JournalSession:
    """Make the session of a send."""
    return JournalSession(run_, **{"allow_duplicates": False, "resend_unknown": False, **options}, lasts=65.0)


def with_session(
    journal: SqliteJournal, main: Callable[[JournalSession, JournalRun], Awaitable[None]], **options: bool
) -> None:
    """Run ``main`` with a session on a journal, and with another run of the journal."""

    async def living() -> None:
        async with journal:
            allow = options.get("allow_duplicates", False)
            purpose = type(PURPOSE)(PURPOSE.app_id, PURPOSE.message, allow)
            session, other = session_of(await journal.start(purpose), **options), await journal.start(purpose)
            await main(session, other)
            await session.end()
            await other.end()

    run(living())


def outcomes(found: Selection) -> list[Outcome]:
    """Make the outcomes of the recipients that are not called."""
    return [make(index) for index, make in enumerate(found.known, 7)]


class TestSorter:
    """Which recipients are called."""

    @pytest.mark.parametrize("resend", [False, True])
    def test_by_what_the_journal_knows(self, journal: SqliteJournal, resend: bool) -> None:
        """New and free numbers are called, accepted numbers never, unknown numbers with resend_unknown only."""

        async def main(session: JournalSession, other: JournalRun) -> None:
            accepted = await settled(other, keys(1, 2), State.ACCEPTED)
            refused = await settled(other, keys(3), State.REFUSED)
            unsent = await settled(other, keys(4), State.NOT_SENT)
            unknown = await settled(other, keys(5), State.UNKNOWN)
            await begun(other, keys(6))
            to = [Recipient(MOBILES[number]) for number in (6, 5, 4, 3, 2, 1, 0)]
            found = await session.sorter.sort(to, range(10, 17))
            called = {recipient.mobile: recipient.custom_id for recipient in found.recipients}
            again = {MOBILES[5]: unknown.custom_ids[0]} if resend else {}
            assert called == again | {
                MOBILES[4]: unsent.custom_ids[0],
                MOBILES[3]: refused.custom_ids[0],
                MOBILES[0]: None,
            }
            assert [key.mobile for key in found.keys] == [recipient.mobile for recipient in found.recipients]
            assert (found.accepted, found.unknown, found.duplicates) == (2, 1 if resend else 2, 0)
            first, *rest = outcomes(found)
            assert isinstance(first, Accepted)
            assert first.index == 7
            assert first.recorded
            assert first.tickets == tuple(
                Ticket(
                    MOBILES[number], f"m-{accepted.custom_ids[number - 1]}", accepted.custom_ids[number - 1]
                )
                for number in (2, 1)
            )
            assert [recipient.mobile for recipient in first.recipients] == [MOBILES[2], MOBILES[1]]
            assert all(isinstance(outcome, Unknown) and outcome.recorded for outcome in rest)
            assert [len(outcome.recipients) for outcome in rest] == ([1] if resend else [1, 1])
            assert "at this moment" in str(rest[0].error)  # type: ignore[union-attr]

        with_session(journal, main, resend_unknown=resend)

    def test_the_reason_of_an_earlier_run(self, journal: SqliteJournal) -> None:
        """Unknown numbers come out with the reason and time of the earlier run, and with what to do."""

        async def main(session: JournalSession, other: JournalRun) -> None:
            await settled(other, keys(1, 2), State.UNKNOWN, reason="no response within 30 s (ReadTimeout)")
            await settled(other, keys(3), State.UNKNOWN, reason="HTTP 502")
            await begun(other, keys(4))
            found = await session.sorter.sort([Recipient(mobile) for mobile in MOBILES[1:5]], range(4))
            assert found.reasons == {
                "no response within 30 s (ReadTimeout)": 2,
                "HTTP 502": 1,
                "another run of this journal may be sending it at this moment": 1,
            }
            first, second, third = outcomes(found)
            assert [len(outcome.recipients) for outcome in (first, second, third)] == [2, 1, 1]
            assert isinstance(first, Unknown)
            said = re.sub(r"\d{4}-\d\d-\d\d at \d\d:\d\d", "DATE", first.error.reason)
            assert said == (
                "an earlier run left it unknown on DATE (no response within 30 s (ReadTimeout)): its reports will"
                " settle it; without a report 24 hours later, resend_unknown is sensible"
            )

        with_session(journal, main)

    def test_a_journal_without_reasons(self) -> None:
        """A custom journal need not give reasons and times."""

        class Silent(Watched):
            async def look(self, keys: object) -> list[Standing]:
                return [Standing(State.UNKNOWN, "c")]

        async def main() -> None:
            session = session_of(Silent(None, None))  # type: ignore[arg-type]
            found = await session.sorter.sort([Recipient(MOBILES[0])], [0])
            [outcome] = outcomes(found)
            assert "left it unknown (no reason recorded): its reports" in str(outcome.error)  # type: ignore[union-attr]
            session.sorter.close()

        run(main())

    def test_repeats_over_pieces(self, journal: SqliteJournal) -> None:
        """A number that came before, in an earlier piece or in the same piece, is set aside with its position."""

        async def main(session: JournalSession, _: JournalRun) -> None:
            await session.sorter.sort([Recipient(MOBILES[0])], [0])
            to = [
                Recipient(MOBILES[number], custom_id) for number, custom_id in ((1, None), (0, "a"), (1, "b"))
            ]
            found = await session.sorter.sort(to, [1, 5, 6])
            assert [recipient.mobile for recipient in found.recipients] == [MOBILES[1]]
            assert found.keys == [Key(MOBILES[1])]
            [outcome] = outcomes(found)
            assert isinstance(outcome, NotSent)
            assert isinstance(outcome.error, DuplicateError)
            assert outcome.error.position == 5
            assert outcome.recipients == (to[1], to[2])
            assert found.duplicates == 2

        with_session(journal, main)

    def test_repeats_that_are_allowed(self, journal: SqliteJournal) -> None:
        """Each occurrence has its own key, of the number and the caller's custom id."""

        async def main(session: JournalSession, _: JournalRun) -> None:
            to = [Recipient(MOBILES[0], custom_id) for custom_id in (None, "a", None)]
            found = await session.sorter.sort(to, range(3))
            assert found.keys == [Key(MOBILES[0]), Key(MOBILES[0], "a"), Key(MOBILES[0], "", 1)]
            again = await session.sorter.sort(to[:2], range(3, 5))
            assert again.keys == [Key(MOBILES[0], "", 2), Key(MOBILES[0], "a", 1)]
            assert found.known == again.known == []

        with_session(journal, main, allow_duplicates=True)

    def test_nobody(self, journal: SqliteJournal) -> None:
        """No recipients give an empty selection."""

        async def main(session: JournalSession, _: JournalRun) -> None:
            assert await session.sorter.sort([], []) == Selection()

        with_session(journal, main)

    def test_a_journal_that_answers_for_others(self) -> None:
        """A journal that returns another number of standings than keys raises an error."""

        class Short(Watched):
            async def look(self, _: object) -> list[None]:
                return []

        async def main() -> None:
            session = session_of(Short(None, None))  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="zip"):
                await session.sorter.sort([Recipient(MOBILES[0])], [0])
            session.sorter.close()

        run(main())


class TestBooks:
    """Claims and outcomes."""

    @pytest.mark.parametrize(
        ("make", "state", "reason"),
        [
            (
                lambda to: Accepted(0, to, tuple(Ticket(recipient.mobile, "m", "c") for recipient in to)),
                State.ACCEPTED,
                "",
            ),
            (
                lambda to: Refused(0, to, RefusedError(ResultCode.ERROR_SIGN, "...", "/")),
                State.REFUSED,
                "ERROR_SIGN",
            ),
            (lambda to: Refused(0, to, RefusedError("ERROR_NEW", "", "/")), State.REFUSED, "ERROR_NEW"),
            (
                lambda to: Unknown(0, to, OutcomeUnknownError("gone", "/voice/send")),
                State.UNKNOWN,
                "gone",
            ),
            (lambda to: NotSent(0, to, NotSentError("no way")), State.NOT_SENT, "no way"),
        ],
    )
    def test_each_outcome_is_written(
        self, journal: SqliteJournal, make: Callable[[Any], Outcome], state: State, reason: str
    ) -> None:
        """The state, the message ids, and the code or sentence of each outcome are written."""

        async def main(session: JournalSession, _: JournalRun) -> None:
            to = (Recipient(MOBILES[0], "a"), Recipient(MOBILES[1], "b"))
            given = await session.begin(keys(0, 1), ("a", "b"))
            assert (given.custom_ids, given.lasts, given.resend_unknown) == (("a", "b"), 65.0, False)
            await session.close(given, make(to))
            lines = await all_lines(journal)
            assert [(line.state, line.reason, line.custom_id) for line in lines] == [
                (state, reason, "a"),
                (state, reason, "b"),
            ]
            assert [line.message_id for line in lines] == (
                ["m", "m"] if state is State.ACCEPTED else ["", ""]
            )

        with_session(journal, main)

    def test_somebody_was_quicker(self, journal: SqliteJournal) -> None:
        """A batch cannot be claimed when another run has claimed a part of it in the meantime."""

        async def main(session: JournalSession, other: JournalRun) -> None:
            await begun(other, keys(1))
            with pytest.raises(OutcomeUnknownError, match="another run of this journal is sending"):
                await session.begin(keys(0, 1), ["a", "b"])
            assert [line.mobile for line in await all_lines(journal)] == [MOBILES[1]]

        with_session(journal, main)

    def test_a_claim_that_is_released(self, journal: SqliteJournal) -> None:
        """A released batch can be claimed again, and each claim has another token."""

        async def main(session: JournalSession, _: JournalRun) -> None:
            to = [Recipient(MOBILES[0], "a")]
            first = await session.begin(keys(0), ["a"])
            await session.release(first)
            second = await session.begin(keys(0), ["a"])
            assert first.token != second.token
            await session.close(first, Accepted(0, tuple(to), (Ticket(MOBILES[0], "m", "a"),)))
            [line] = await all_lines(journal)
            assert line.state is State.UNDER_WAY

        with_session(journal, main)

    @pytest.mark.parametrize("resend", [False, True])
    def test_what_is_unknown_is_claimed_if_that_is_asked(self, journal: SqliteJournal, resend: bool) -> None:
        """An unknown call is claimed with resend_unknown only."""

        async def main(session: JournalSession, other: JournalRun) -> None:
            await settled(other, keys(0), State.UNKNOWN)
            claiming = session.begin(keys(0), ["a"])
            if resend:
                assert (await claiming).resend_unknown
            else:
                with pytest.raises(OutcomeUnknownError):
                    await claiming

        with_session(journal, main, resend_unknown=resend)

    @pytest.mark.parametrize("step", ["released", "not sent", "refused", "cancelled"])
    def test_what_was_unknown_stays_unknown_without_a_call(self, journal: SqliteJournal, step: str) -> None:
        """A second request without effect says nothing of the first: only resend_unknown calls the number again."""
        to = [Recipient(MOBILES[number]) for number in (0, 1)]
        errors: dict[str, Outcome] = {
            "not sent": NotSent(0, tuple(to), NotSentError("no way")),
            "refused": Refused(0, tuple(to), RefusedError(ResultCode.ERROR_SIGN, "...", "/")),
        }

        async def main(session: JournalSession, other: JournalRun) -> None:
            first = await settled(other, keys(0), State.UNKNOWN)
            found = await session.sorter.sort(to[:1], range(1))
            custom_ids = [recipient.custom_id or "" for recipient in found.recipients]
            if step == "cancelled":
                claiming = asyncio.ensure_future(session.begin(found.keys, custom_ids))
                await asyncio.sleep(0)
                claiming.cancel()
                await asyncio.wait([claiming])
            else:
                given = await session.begin(found.keys, custom_ids)
                await (session.close(given, errors[step]) if step in errors else session.release(given))
            [line] = await all_lines(journal)
            assert line.state is State.UNKNOWN
            if step != "cancelled":
                assert line.reason.endswith("the outcome of an earlier request is still unknown")
            assert not await other.begin(claim(keys(0)))
            # A report of the first request finds the call.
            report = report_of(keys(0)[0], message_id="m-1", custom_id=first.custom_ids[0], state="SUCCESS")
            assert await journal.record([report]) == 1
            [line] = await all_lines(journal)
            assert (line.state, line.report_state) == (State.ACCEPTED, "SUCCESS")

        with_session(journal, main, resend_unknown=True)

    def test_other_calls_of_the_same_send_are_free(self, journal: SqliteJournal) -> None:
        """A batch of numbers that were never called is free after a request without effect."""

        async def main(session: JournalSession, other: JournalRun) -> None:
            await settled(other, keys(0), State.UNKNOWN)
            await session.sorter.sort([Recipient(MOBILES[number]) for number in (0, 1)], range(2))
            await session.release(await session.begin(keys(1), ["b"]))
            assert await other.begin(claim(keys(1)))

        with_session(journal, main, resend_unknown=True)

    def test_after_the_end_an_outcome_can_be_written(self, journal: SqliteJournal) -> None:
        """An open claim is unknown after the end of the session, and a late response settles it."""

        async def main() -> None:
            session = session_of(await journal.start(PURPOSE))
            given = await session.begin(keys(0), ["a"])
            await session.end()
            assert [line.state for line in await all_lines(journal)] == [State.UNKNOWN]
            await session.close(given, Accepted(0, (), (Ticket(MOBILES[0], "m", "a"),)))
            assert [line.state for line in await all_lines(journal)] == [State.ACCEPTED]

        run(main())

    def test_a_cancelled_claim_is_taken_back(self, journal: SqliteJournal) -> None:
        """A batch whose claim is cancelled at any step is free afterwards."""

        async def main() -> None:
            async with journal:
                run_ = await journal.start(PURPOSE)
                session = session_of(run_)
                for turns in range(12):
                    task = asyncio.ensure_future(session.begin(keys(turns), ["a"]))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    if task.done():
                        break
                    task.cancel()
                    await asyncio.wait([task])
                    assert task.cancelled()
                    assert await run_.begin(claim(keys(turns)))
                assert turns > 1
                await session.end()

        run(main())


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RefusedError(ResultCode.ERROR_SIGN, "...", "/"), "ERROR_SIGN"),
        (RefusedError("ERROR_NEW", "", "/"), "ERROR_NEW"),
        (
            OutcomeUnknownError("no response within 30 s (ReadTimeout)", "/send"),
            "no response within 30 s (ReadTimeout)",
        ),
        (
            AnswerError("the response is not JSON", "/send", 502, b"<html>"),
            "the response is not JSON (HTTP 502)",
        ),
        (NotSentError("refused the connection", "/send"), "refused the connection"),
        (OutcomeUnknownError("ValueError: 13812345678"), "ValueError: 138****5678"),
        (JournalError("locked", "run.db"), "the journal run.db: locked"),
    ],
)
def test_recorded_reasons(error: EmayVoiceError, reason: str) -> None:
    """A result code, or a sentence with the kind of failure, without endpoint, length of a body or whole number."""
    assert reason_of(error) == reason


def test_what_a_journal_raises() -> None:
    """A JournalError stays the same; any other error is named by its class alone, as its text may contain a number."""
    mine = JournalError("broken", "run.db")
    assert as_journal_error(mine) is mine
    odd = as_journal_error(ValueError("13800000000"))
    assert isinstance(odd, JournalError)
    assert str(odd) == "the journal: failed with ValueError"
