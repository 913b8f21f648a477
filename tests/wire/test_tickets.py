"""The response to a send: the document's own, variants, and responses with the wrong values."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from samples import answer
from samples.strategies import people
from support.batches import match_rows, read_tickets

from emay_voice_async.errors import AnswerError
from emay_voice_async.model.endpoints import (
    JOIN_SEND,
    VOICE_SEND,
    VOICE_SEND_CODE,
    VOICE_SEND_MARKETING,
    Endpoint,
    Product,
)
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Ticket
from emay_voice_async.wire.envelope import HttpResponse
from emay_voice_async.wire.structuring import structure_ticket
from emay_voice_async.wire.tickets import ticket_rows

ONE = (Recipient("15538850000", "20170392833833891100"),)

pytestmark = pytest.mark.usefixtures("json_reader")


def accepted(data: object) -> HttpResponse:
    """Make a response with the code SUCCESS."""
    return HttpResponse(200, json.dumps({"code": "SUCCESS", "data": data}).encode())


class TestReadTickets:
    """The response to a send."""

    def test_the_example_of_a_notification(self) -> None:
        """The document's response to a notification has a ticket for each of the two numbers."""
        to = (Recipient("15538850000", "20170392833833891100"), Recipient("15538850001", "another"))
        assert read_tickets(VOICE_SEND, answer("document-2.1.1.2-send"), to) == (
            Ticket("15538850000", "20170392833833891100", "20170392833833891100"),
            Ticket("15538850001", "20170392833833892100", "another"),
        )

    def test_a_shared_custom_id(self) -> None:
        """The document's example repeats a custom id; each number gets its own ticket in any order."""
        to = (Recipient("15538850001", "20170392833833891100"), Recipient("15538850000", "another"))
        assert [
            ticket.message_id for ticket in read_tickets(VOICE_SEND, answer("document-2.1.1.2-send"), to)
        ] == ["20170392833833892100", "20170392833833891100"]

    @pytest.mark.parametrize(
        ("endpoint", "case"),
        [
            (VOICE_SEND_CODE, "document-2.2.1.2-send-code"),
            (VOICE_SEND_MARKETING, "document-2.3.1.2-send-marketing"),
            (JOIN_SEND, "document-2.4.1.2-send-join"),
        ],
    )
    def test_the_other_examples(self, endpoint: Endpoint, case: str) -> None:
        """The document's responses to the other sends have a single ticket."""
        expected = Ticket("15538850000", "20170392833833891100", "20170392833833891100")
        assert read_tickets(endpoint, answer(case), ONE) == (expected,)

    @pytest.mark.parametrize(
        ("case", "custom_id", "message_id"),
        [
            ("send-data-object", "10001", "20170392833833891100"),
            ("send-swapped-kinds", "10001", "20170392833833891100"),
            ("send-extra-fields", "a", "1"),
            ("send-null-fields", "a", ""),
        ],
    )
    def test_variants(self, case: str, custom_id: str, message_id: str) -> None:
        """An object for a list, numbers for texts, nulls and unknown fields are read."""
        to = (Recipient("15538850000", custom_id),)
        expected = Ticket("15538850000", message_id, custom_id)
        assert read_tickets(VOICE_SEND_CODE, answer(case), to) == (expected,)

    def test_another_order(self) -> None:
        """Tickets have the order of the recipients for any order of the response."""
        to = [Recipient(f"1553885000{place}", custom_id) for place, custom_id in enumerate("abc")]
        tickets = read_tickets(VOICE_SEND, answer("send-other-order"), to)
        assert [ticket.message_id for ticket in tickets] == ["1", "2", "3"]

    @pytest.mark.parametrize(
        ("second", "custom_id"), [("13800000000", "b"), ("13800000001", "a"), ("13800000001", "b")]
    )
    def test_an_entry_that_comes_twice(self, second: str, custom_id: str) -> None:
        """The second entry of a call is not given to a call with the same number, or with the same custom id."""
        to = (Recipient("13800000000", "a"), Recipient(second, custom_id))
        entry = {"mobile": "13800000000", "voiceId": "1", "customVoiceId": "a"}
        tickets = read_tickets(VOICE_SEND, accepted([entry, entry]), to)
        assert [ticket.message_id for ticket in tickets] == ["1", ""]

    @given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.sampled_from([VOICE_SEND, JOIN_SEND]))
    def test_any_order_and_any_gap(self, order: list[int], missing: set[int], endpoint: Endpoint) -> None:
        """Each recipient gets a ticket, without a message id if the response has no entry for the recipient."""
        # Four numbers, each called three times: only the ids tell the calls apart.
        to = [Recipient(f"1380000000{place % 4}", f"id-{place}") for place in range(12)]
        data = [
            {
                "mobile": to[place].mobile,
                endpoint.message_id: f"m-{place}",
                endpoint.custom_id: to[place].custom_id,
            }
            for place in order
            if place not in missing
        ]
        assert read_tickets(endpoint, accepted(data), to) == tuple(
            Ticket(one.mobile, "" if place in missing else f"m-{place}", f"id-{place}")
            for place, one in enumerate(to)
        )

    @given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
    def test_by_number(self, called: list[int], told: list[int]) -> None:
        """Without ids in the response, entries are matched by number, in order."""
        to = [Recipient(f"1380000000{one}", f"id-{place}") for place, one in enumerate(called)]
        data = [{"mobile": f"1380000000{one}", "voiceId": f"m-{place}"} for place, one in enumerate(told)]
        queues = {one: [f"m-{place}" for place, other in enumerate(told) if other == one] for one in range(4)}
        expected = [queues[one].pop(0) if queues[one] else "" for one in called]
        assert [ticket.message_id for ticket in read_tickets(VOICE_SEND, accepted(data), to)] == expected

    @given(
        st.lists(st.tuples(st.sampled_from("012"), st.sampled_from(["a", "b", "c", "", None])), max_size=8),
        st.lists(st.sampled_from("012"), min_size=1, max_size=3),
    )
    def test_any_mixture(self, told: list[tuple[str, str | None]], called: list[str]) -> None:
        """For any mixture of ids and numbers, no entry is used twice, and an exact match is preferred."""
        to = [Recipient(f"1380000000{one}", "abc"[place]) for place, one in enumerate(called)]
        data = [
            {"mobile": f"1380000000{one}", "voiceId": f"m-{place}", "customVoiceId": custom_id}
            for place, (one, custom_id) in enumerate(told)
        ]
        tickets = read_tickets(VOICE_SEND, accepted(data), to)
        assert [(one.mobile, one.custom_id) for one in tickets] == [(one.mobile, one.custom_id) for one in to]
        used = [ticket.message_id for ticket in tickets if ticket.message_id]
        assert len(set(used)) == len(used)
        for one, ticket in zip(to, tickets, strict=True):
            exact = [
                entry["voiceId"]
                for entry in data
                if (entry["mobile"], entry["customVoiceId"]) == (one.mobile, one.custom_id)
            ]
            if exact:
                assert ticket.message_id == exact[0]

    def test_recipients_without_ids(self) -> None:
        """Recipients without custom ids get the tickets of their numbers."""
        to = (Recipient("15538850001"), Recipient("15538850000"))
        assert read_tickets(VOICE_SEND, answer("document-2.1.1.2-send"), to) == (
            Ticket("15538850001", "20170392833833892100", ""),
            Ticket("15538850000", "20170392833833891100", ""),
        )

    @pytest.mark.parametrize("data", [None, [], {}], ids=repr)
    def test_no_entries(self, data: object) -> None:
        """An accepted send without a list of entries has tickets without message ids."""
        assert read_tickets(VOICE_SEND, accepted(data), ONE) == (
            Ticket(ONE[0].mobile, "", ONE[0].custom_id or ""),
        )

    @pytest.mark.parametrize(
        "data",
        ["", "x", 7, True, [None], ["x"], [[]], [{"mobile": []}], [{"voiceId": {}}], {"mobile": True}],
        ids=repr,
    )
    def test_other_shapes(self, data: object) -> None:
        """Data of another type is an AnswerError with the whole body."""
        got = accepted(data)
        with pytest.raises(AnswerError, match="values of the wrong type") as caught:
            read_tickets(VOICE_SEND, got, ONE)
        assert (caught.value.status, caught.value.body) == (200, got.body)

    def test_five_hundred(self) -> None:
        """A full batch is matched without custom ids in the response."""
        to = [Recipient("13800000000", f"id-{place}") for place in range(500)]
        data = [{"mobile": "13800000000", "voiceId": f"{place}"} for place in range(500)]
        tickets = read_tickets(VOICE_SEND, accepted(data), to)
        assert [ticket.message_id for ticket in tickets] == [f"{place}" for place in range(500)]


class TestMatchTickets:
    """A response that names each recipient in the place of the recipient."""

    @given(st.lists(people, max_size=5), st.sampled_from(Product), st.data())
    def test_equal_to_one_by_one(
        self, recipients: list[Recipient], product: Product, data: st.DataObject
    ) -> None:
        """The tickets equal recipients of entries read one by one; a difference in a number or custom id gives None."""
        name, custom = (
            ("voiceId", "customVoiceId") if product is Product.VOICE else ("joinId", "customJoinId")
        )
        raw: list[Any] = [
            {"mobile": recipient.mobile, name: f"m{place}", custom: recipient.custom_id}
            for place, recipient in enumerate(recipients)
        ]
        expected = tuple([structure_ticket(entry, product) for entry in raw])
        assert (match_rows(ticket_rows(raw, product), recipients) or ()) == expected
        if not raw:
            return
        damaged = dict(raw[data.draw(st.integers(0, len(raw) - 1))])
        place = raw.index(damaged)
        key = data.draw(st.sampled_from(["mobile", name, custom]))
        values: list[object] = [None, 1, [], {}, "1"]
        damaged[key] = data.draw(st.sampled_from(values))
        if data.draw(st.booleans()):
            del damaged[key]
        raw[place] = damaged
        matched = match_rows(ticket_rows(raw, product), recipients)
        if key == name and damaged.get(key) in ("1", 1):
            assert matched == tuple([structure_ticket(entry, product) for entry in raw])
        else:
            assume(
                str(damaged.get(key))
                != getattr(recipients[place], "mobile" if key == "mobile" else "custom_id")
            )
            assert matched is None

    @pytest.mark.parametrize(
        "raw",
        [[None], ["x"], [[]], [1], [{}], [], [{"mobile": "1", "voiceId": "1", "customVoiceId": "c"}] * 2],
        ids=repr,
    )
    def test_other_values(self, raw: list[Any]) -> None:
        """Values that are not an entry for each recipient give None."""
        assert match_rows(ticket_rows(raw, Product.VOICE), [Recipient("1", "c")]) is None

    @given(st.permutations(range(5)), st.booleans())
    def test_another_order(self, order: list[int], numbers: bool) -> None:
        """Tickets in another order, and ids that are numbers, are matched by unique custom ids."""
        recipients = [Recipient(f"{place % 3}", f"c{place}") for place in range(5)]
        kind = int if numbers else str
        raw = [
            {"mobile": kind(place % 3), "voiceId": kind(place), "customVoiceId": f"c{place}"}
            for place in order
        ]
        matched = match_rows(ticket_rows(raw, Product.VOICE), recipients)
        assert matched == tuple(
            Ticket(recipient.mobile, f"{place}", recipient.custom_id or "")
            for place, recipient in enumerate(recipients)
        )

    def test_a_repeated_custom_id(self) -> None:
        """Tickets in another order with a custom id that comes twice give None."""
        raw = [{"mobile": "1", "voiceId": f"{place}", "customVoiceId": "c"} for place in range(2)]
        recipients = [Recipient("1", "c"), Recipient("1", "d")]
        assert match_rows(ticket_rows(raw, Product.VOICE), recipients) is None

    def test_a_custom_id_of_two_calls(self) -> None:
        """Two calls with the same number and custom id, and an entry for one of them, give None."""
        raw = [{"mobile": "1", "voiceId": "5", "customVoiceId": "c"}]
        assert match_rows(ticket_rows(raw, Product.VOICE), [Recipient("1", "c")] * 2) is None

    def test_no_custom_id(self) -> None:
        """A missing custom id on both sides is no match: the custom id of a ticket is a text."""
        raw = [{"mobile": "1", "voiceId": "1", "customVoiceId": None}]
        assert match_rows(ticket_rows(raw, Product.VOICE), [Recipient("1")]) is None
