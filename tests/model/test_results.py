"""Tickets, reports and outcomes: values whose repr shows no number."""

import copy
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from attrs import asdict, evolve, fields
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import mobiles

from emay_voice_async.errors import BalanceError, NotSentError, OutcomeUnknownError
from emay_voice_async.model.batch_calls import batch_calls
from emay_voice_async.model.codes import CallState, ResultCode
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.numbers import mask
from emay_voice_async.model.raw_fields import RawFields
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import (
    Accepted,
    NotSent,
    Outcome,
    Refused,
    Report,
    ReportDraft,
    SendResult,
    Ticket,
    Unknown,
    accepted_later,
    frozen_reports,
    made_tickets,
)
from emay_voice_async.wire.structuring import unstructure

MOBILE = "13812345678"


def people(number: int) -> tuple[Recipient, ...]:
    """Make so many recipients."""
    return tuple(Recipient(MOBILE, f"id-{place}") for place in range(number))


def outcome(kind: str, index: int, number: int) -> Outcome:
    """Make an outcome of a kind for so many recipients."""
    to = people(number)
    match kind:
        case "accepted":
            return Accepted(index, to, tuple(Ticket(one.mobile, f"{index}", "") for one in to))
        case "refused":
            return Refused(
                index, to, BalanceError(ResultCode.ERROR_NEEDMORE_BALANCE, "余额不足", "/voice/send")
            )
        case "unknown":
            return Unknown(index, to, OutcomeUnknownError("ReadTimeout", "/voice/send"))
        case _:
            return NotSent(index, to, NotSentError("ConnectError", "/voice/send"))


KINDS = ("accepted", "refused", "unknown", "not sent")
outcome_lists = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 5)), max_size=12).map(
    lambda drawn: tuple(outcome(kind, index, number) for index, (kind, number) in enumerate(drawn))
)


class TestTicket:
    """The receipt for one call."""

    @given(mobiles)
    def test_no_number_in_its_repr(self, mobile: str) -> None:
        """A repr shows both ids, and the number masked."""
        ticket = Ticket(mobile, "2017", "order-1")
        assert repr(ticket) == f"Ticket({mask(mobile)!r}, message_id='2017', custom_id='order-1')"

    def test_tickets_are_values(self) -> None:
        """Equal tickets are equal and hash alike, and none can be changed."""
        assert len({Ticket(MOBILE, "1", "a"), Ticket(MOBILE, "1", "a")}) == 1
        with pytest.raises(FrozenInstanceError):
            Ticket(MOBILE, "1", "a").message_id = "2"  # type: ignore[misc]


class TestReport:
    """How one call ended."""

    @pytest.mark.parametrize("state", CallState)
    def test_only_success_succeeds(self, state: CallState) -> None:
        """A call has succeeded in the state SUCCESS and in no other."""
        assert Report(Product.VOICE, state=state).succeeded is (state is CallState.SUCCESS)

    @given(mobiles, st.binary(min_size=20))
    def test_neither_number_nor_voice_in_its_repr(self, mobile: str, recording: bytes) -> None:
        """A repr masks the number and counts the bytes of the recording."""
        shown = repr(Report(Product.JOIN, mobile=mobile, recording=recording))
        assert f"mobile={mask(mobile)}," in shown
        assert f"recording=<{len(recording)} bytes>" in shown
        assert mobile not in shown
        assert repr(recording)[2:-1] not in shown

    def test_no_recording(self) -> None:
        """Without a recording the repr says None."""
        assert "recording=None" in repr(Report(Product.VOICE))

    def test_missing_values(self) -> None:
        """A report with only a product has blanks and None."""
        report = Report(Product.VOICE)
        values = {one.name: getattr(report, one.name) for one in fields(Report)}
        assert values.pop("product") is Product.VOICE
        assert values.pop("state") is CallState.OTHER
        assert values.pop("unreadable") == {}
        assert set(values.values()) == {"", None}

    def test_unreadable_fields(self) -> None:
        """A repr names the fields that could not be read, and shows no raw value."""
        report = Report(Product.VOICE, unreadable=RawFields({"mobile": [MOBILE], "voiceSign": "x"}))
        assert "unreadable=<mobile, voiceSign>" in repr(report)
        assert MOBILE not in repr(report)
        assert len({report, evolve(report), Report(Product.VOICE)}) == 2
        assert Report(Product.VOICE, unreadable={"a": 1}) == Report(
            Product.VOICE, unreadable=RawFields({"a": 1})
        )


class TestOutcomes:
    """The end of a batch."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_repr_counts(self, kind: str) -> None:
        """A repr of 500 recipients counts them and shows neither numbers nor ids."""
        shown = repr(outcome(kind, 7, 500))
        assert "index=7, recipients=<500>" in shown
        assert len(shown) < 200
        assert MOBILE not in shown
        assert "id-3" not in shown

    def test_an_accepted_batch_counts_its_tickets(self) -> None:
        """The tickets of a batch are counted in its repr, too."""
        assert "tickets=<2>" in repr(outcome("accepted", 0, 2))

    @pytest.mark.parametrize("kind", KINDS)
    def test_name(self, kind: str) -> None:
        """The class of an outcome has the name of the outcome."""
        assert outcome(kind, 0, 1).name == type(outcome(kind, 0, 1)).name == kind

    @pytest.mark.parametrize("kind", KINDS)
    def test_outcomes_do_not_change(self, kind: str) -> None:
        """An outcome cannot be changed."""
        with pytest.raises(FrozenInstanceError):
            outcome(kind, 0, 1).index = 1  # type: ignore[misc]


class TestSendResult:
    """Every outcome of a send."""

    @given(outcome_lists)
    def test_each_outcome_is_in_one_group(self, outcomes: tuple[Outcome, ...]) -> None:
        """The four groups divide the outcomes, each in input order."""
        result = SendResult(outcomes)
        groups = (result.accepted, result.refused, result.unknown, result.not_sent)
        kinds = (Accepted, Refused, Unknown, NotSent)
        for group, kind in zip(groups, kinds, strict=True):
            assert list(group) == [one for one in outcomes if type(one) is kind]
        assert sum(map(len, groups)) == len(outcomes)

    @given(outcome_lists)
    def test_tickets(self, outcomes: tuple[Outcome, ...]) -> None:
        """The tickets are those of the accepted batches, in input order."""
        expected = [ticket for one in outcomes if isinstance(one, Accepted) for ticket in one.tickets]
        assert list(SendResult(outcomes).tickets) == expected

    @given(outcome_lists)
    def test_its_text_counts_numbers_and_batches(self, outcomes: tuple[Outcome, ...]) -> None:
        """``str`` names each group that is not empty, with the counts of numbers and batches."""
        parts = []
        for name in KINDS:
            group = [one for one in outcomes if isinstance(one, type(outcome(name, 0, 1)))]
            if group:
                numbers = sum(len(one.recipients) for one in group)
                many = "number" if numbers == 1 else "numbers"
                batches = "1 batch" if len(group) == 1 else f"{len(group)} batches"
                parts.append(f"{name}: {numbers} {many} in {batches}")
        assert str(SendResult(outcomes)) == ", ".join(parts)

    def test_nothing_sent(self) -> None:
        """A send without recipients has no outcomes and no tickets."""
        assert SendResult() == SendResult(())
        assert SendResult().tickets == ()

    def test_no_numbers_in_its_repr(self) -> None:
        """The repr of a whole result shows no number."""
        assert MOBILE not in repr(SendResult(tuple(outcome(kind, 0, 3) for kind in KINDS)))


class TestAcceptedLater:
    """``accepted_later``."""

    def accepted(self) -> tuple[Accepted, Accepted]:
        """Make an outcome whose fields are made when they are read, and the same by the constructor."""
        calls = batch_calls([MOBILE, MOBILE], "t")
        later = accepted_later(3, calls.recipients, lambda: calls.tickets(["m", "n"]))
        return later, Accepted(3, calls.recipients(), calls.tickets(["m", "n"]))

    @pytest.mark.parametrize(
        "read",
        [
            lambda one: one,
            hash,
            repr,
            unstructure,
            asdict,
            lambda one: (one.tickets, one.recipients, one.index, one.recorded),
            lambda one: evolve(one, index=4),
            lambda one: copy.copy(one),
            lambda one: copy.deepcopy(one),
            lambda one: pickle.loads(pickle.dumps(one)),  # noqa: S301 - our own
        ],
    )
    def test_equal_to_the_constructor(self, read: Callable[[Accepted], object]) -> None:
        """Whatever is read first, the outcome is as the constructor makes it."""
        later, made = self.accepted()
        assert read(later) == read(made)
        assert later == made

    def test_made_once(self) -> None:
        """The objects are made at the first reading, and stay the same."""
        later, _ = self.accepted()
        assert later.tickets is later.tickets
        assert later.recipients is later.recipients

    def test_positional_patterns(self) -> None:
        """A class pattern takes the fields in their order."""
        match self.accepted()[0]:
            case Accepted(index, recipients, tickets):
                assert (index, len(recipients), len(tickets)) == (3, 2, 2)

    def test_frozen(self) -> None:
        """No field can be set, before and after the reading."""
        later, _ = self.accepted()
        for _ in range(2):
            with pytest.raises(FrozenInstanceError):
                later.tickets = ()  # type: ignore[misc]
            assert len(later.tickets) == 2

    def test_no_other_attributes(self) -> None:
        """A name that is no field is an AttributeError, as of any object; so is a field of an unfilled object."""
        unfilled = Accepted.__new__(Accepted)
        for one, name in ((self.accepted()[0], "ticket"), (unfilled, "tickets"), (unfilled, "_makers")):
            with pytest.raises(AttributeError, match=f"'Accepted' object has no attribute '{name}'"):
                getattr(one, name)


class TestFrozen:
    """Objects that are frozen by a change of their class equal objects of the constructor."""

    @pytest.mark.parametrize(
        ("quick", "slow"),
        [
            (made_tickets(["13800000000"], ["m"], ["c"])[0], Ticket("13800000000", "m", "c")),
            (frozen_reports([ReportDraft(Product.JOIN, "a", "m")])[0], Report(Product.JOIN, "a", "m")),
            (
                frozen_reports([ReportDraft(Product.JOIN, unreadable=RawFields({"a": [1]}))])[0],
                Report(Product.JOIN, unreadable=RawFields({"a": [1]})),
            ),
            (batch_calls([Recipient("13800000000")], "t").recipients()[0], Recipient("13800000000", "t-0")),
            (batch_calls(["13800000000"], "t").recipients()[0], Recipient("13800000000", "t-0")),
        ],
        ids=lambda one: type(one).__name__,
    )
    def test_no_difference(self, quick: Any, slow: Any) -> None:
        """Class, equality, hash, repr, pickle and copies are the same, and the object cannot be changed."""
        assert type(quick) is type(slow)
        assert (quick, hash(quick), repr(quick)) == (slow, hash(slow), repr(slow))
        assert pickle.loads(pickle.dumps(quick)) == slow  # noqa: S301 - our own
        assert copy.copy(quick) == evolve(quick) == slow
        seen: Any = weakref.ref(quick)()
        assert seen is quick
        for change in (setattr, lambda one, name, _: delattr(one, name)):
            with pytest.raises(FrozenInstanceError):
                change(quick, "mobile", "1")
        with pytest.raises(AttributeError):
            setattr(quick, "other", "1")  # noqa: B010
