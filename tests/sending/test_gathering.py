"""Recipients gathered for requests, against a plain reference: fill each text, and group equal ones."""

import time
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.journal.protocol import Key
from emay_voice_async.model.messages import Notice
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.templates import Template
from emay_voice_async.sending.gathering import (
    LOOK_AHEAD,
    Gatherer,
    MessageGatherer,
    TemplateGatherer,
    TextGroups,
    gatherer,
)

TEMPLATE = Template(Notice, "{name}，{greeting}")
names = st.lists(st.sampled_from("abcdefgh"), max_size=60)


def people_of(names: list[str]) -> list[Recipient]:
    """Make a recipient for each name, each with a number of its own."""
    return [
        Recipient(f"138{place:08}", fields={"name": name, "greeting": "您好"})
        for place, name in enumerate(names)
    ]


def gathered(gathering: Gatherer, people: list[Any], piece: int, *, keyed: bool = False) -> list[Any]:
    """Add people piece by piece, as a send does, and list the requests."""
    found: list[Any] = []
    for start in range(0, len(people) + piece, piece):
        part = people[start : start + piece]
        keys = [Key(one.mobile) for one in part] if keyed else []
        gathering.add(part, keys)
        while (taken := gathering.take(ended=False)) is not None:
            found.append(taken)
    while (taken := gathering.take(ended=True)) is not None:
        found.append(taken)
    return found


def as_text(one: Any) -> str:
    """Fill the template in the plainest way."""
    return f"{one.fields['name']}，{one.fields['greeting']}"


class TestTemplateGatherer:
    """Equal texts in the same request."""

    @given(names, st.integers(1, 7), st.integers(1, 9), st.booleans())
    def test_as_the_reference(self, names: list[str], size: int, piece: int, keyed: bool) -> None:
        """With room for all, the requests are those of filling each text and grouping equal ones: the fewest."""
        people = people_of(names)
        groups: dict[str, list[Recipient]] = defaultdict(list)
        for one in people:
            groups[as_text(one)].append(one)
        expected = [
            (Notice(text), group[start : start + size])
            for text, group in groups.items()
            for start in range(0, len(group), size)
        ]
        found = gathered(TemplateGatherer(TEMPLATE, size, None), people, piece, keyed=keyed)
        assert sorted(((one.message, list(one.entries)) for one in found), key=str) == sorted(
            expected, key=str
        )
        for one in found:
            assert list(one.keys) == ([Key(entry.mobile) for entry in one.entries] if keyed else [])

    @given(names, st.integers(1, 7), st.integers(1, 9), st.integers(0, 20), st.none() | st.integers(1, 30))
    def test_in_bounded_memory(
        self, names: list[str], size: int, piece: int, ahead: int, most: int | None
    ) -> None:
        """With any bound, each recipient is in one request with the own text, or is one beyond ``max_calls``."""
        people = people_of(names)
        gathering = TemplateGatherer(TEMPLATE, size, most, ahead)
        found = gathered(gathering, people, piece)
        assert Counter(entry for one in found for entry in one.entries) == Counter(people)
        called = [entry for one in found if one.message is not None for entry in one.entries]
        assert set(called) == set(people[:most])
        for one in found:
            assert 1 <= len(one.entries) <= max(size, piece)
            if one.message is not None:
                assert len(one.entries) <= size
                assert {as_text(entry) for entry in one.entries} == {one.message.content}
                assert list(one.entries) == sorted(one.entries, key=lambda entry: entry.mobile)

    @given(names, st.integers(2, 7), st.integers(1, 9))
    def test_the_fewest_requests(self, names: list[str], size: int, piece: int) -> None:
        """If the bound has room for a request of each text, the requests are the fewest possible."""
        people = people_of(names)
        counts = Counter(names)
        found = gathered(TemplateGatherer(TEMPLATE, size, None, len(counts) * (size - 1)), people, piece)
        assert len(found) == sum(-(-count // size) for count in counts.values())

    def test_the_first_recipients_are_called(self) -> None:
        """At ``max_calls`` the waiting requests come out at once, before the rest of the input is read."""
        gathering = TemplateGatherer(TEMPLATE, 500, 3)
        people = people_of(list("abcde"))
        gathering.add(people[:2], ())
        assert gathering.take(ended=False) is None
        gathering.add(people[2:], ())
        found = [gathering.take(ended=False) for _ in range(5)]
        assert [one and (list(one.entries), one.message is None) for one in found] == [
            (people[3:], True),
            ([people[0]], False),
            ([people[1]], False),
            ([people[2]], False),
            None,
        ]

    def test_plain_numbers(self) -> None:
        """A template without placeholders takes plain numbers."""
        gathering = gatherer(Template(Notice, "您好"), 2, None)
        assert isinstance(gathering, TemplateGatherer)
        found = gathered(gathering, [f"138{place:08}" for place in range(5)], 5)
        assert [(one.message, len(one.entries)) for one in found] == [
            (Notice("您好"), size) for size in (2, 2, 1)
        ]


class TestTextGroups:
    """Items of equal texts."""

    def test_the_oldest_group_goes_first(self) -> None:
        """Beyond the bound the group that was begun first is taken, however large another is."""
        groups: TextGroups[int] = TextGroups(10, look_ahead=5)
        for item, text in enumerate("abbbbb"):
            groups.add((text,), item)
        assert groups.take(ended=False) == (("a",), [0])
        assert groups.take(ended=False) is None
        assert groups.take(ended=True) == (("b",), [1, 2, 3, 4, 5])
        assert groups.take(ended=True) is None

    def test_many_different_texts(self) -> None:
        """Of any number of different texts, no more wait than the bound says."""
        groups: TextGroups[int] = TextGroups(500)
        taken = 0
        for item in range(3 * LOOK_AHEAD):
            groups.add((str(item),), item)
            while groups.take(ended=False) is not None:
                taken += 1
            assert item + 1 - taken <= LOOK_AHEAD
        assert taken == 2 * LOOK_AHEAD
        assert len(groups) == LOOK_AHEAD

    def test_many_groups_at_the_end(self) -> None:
        """Taking all groups of a long input takes a time for each group that does not grow with their number."""

        def seconds_each(number: int) -> float:
            groups: TextGroups[None] = TextGroups(500, look_ahead=number)
            for item in range(number):
                groups.add((str(item),), None)
            began = time.process_time()
            while groups.take(ended=True) is not None:
                pass
            return (time.process_time() - began) / number

        assert min(seconds_each(50_000) for _ in range(3)) < 10 * min(seconds_each(1_000) for _ in range(3))


class TestMessageGatherer:
    """One message for all."""

    @pytest.mark.parametrize("most", [None, 1, 4, 5, 7, 9])
    def test_in_input_order(self, most: int | None) -> None:
        """Recipients come in input order, in full requests; those beyond ``max_calls`` come without a message."""
        numbers = [f"138{place:08}" for place in range(7)]
        gathering = gatherer(Notice("您好"), 3, most)
        assert isinstance(gathering, MessageGatherer)
        found = gathered(gathering, numbers, 2)
        assert [entry for one in found for entry in one.entries] == numbers
        called = [entry for one in found if one.message == Notice("您好") for entry in one.entries]
        assert called == numbers[:most]
