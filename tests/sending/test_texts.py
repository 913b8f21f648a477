"""The count of texts for a plan, against the requests that a send gathers."""

from hypothesis import given
from hypothesis import strategies as st
from support.virtual_time import run

from emay_voice_async.model.messages import Notice
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.templates import Template
from emay_voice_async.sending.gathering import TemplateGatherer
from emay_voice_async.sending.texts import TextCount

TEMPLATE = Template(Notice, "{a}{b}")
FIELDS = st.fixed_dictionaries(
    {"a": st.sampled_from(["1", "12", "x"]), "b": st.sampled_from(["2", "23", "3"])}
)


@given(st.lists(FIELDS, max_size=40), st.integers(1, 5), st.integers(1, 7), st.none() | st.integers(1, 30))
def test_as_a_send(rows: list[dict[str, str]], size: int, piece: int, most: int | None) -> None:
    """Texts, requests, samples and the longest text are those of the requests of a send."""
    people = [Recipient(f"138{place:08}", fields=row) for place, row in enumerate(rows)]

    async def counted() -> TextCount:
        with TextCount(TEMPLATE, size, most) as count:
            for start in range(0, len(people), piece):
                await count.add(people[start : start + piece])
            count.end()
        return count

    count = run(counted())
    gathering = TemplateGatherer(TEMPLATE, size, most)
    gathering.add(people, ())
    requests = 0
    while (taken := gathering.take(ended=True)) is not None:
        requests += taken.message is not None
    contents = [f"{row['a']}{row['b']}" for row in rows][:most]
    assert count.requests == requests
    assert count.texts == len(set(contents))
    assert [one.content for one in count.samples] == list(dict.fromkeys(contents))[:3]
    longest = None if count.longest is None else count.longest.content
    assert longest == max(contents, key=len, default=None)
