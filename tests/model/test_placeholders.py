"""Placeholders: texts with the names of fields in braces."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.placeholders import parse_text, values_of

names = st.sampled_from(["name", "code", "姓名", "金额(元)", "order no", "a_1", "1a", "%s", "%(x)s"])
literals = st.text("ab{}%中\n ", max_size=6)
PAIR = "must have a pair of braces around each field, and two braces for a brace that is spoken"
NAME = "must have the name of a field in each pair of braces, and nothing else"


@given(st.lists(st.tuples(literals, names), max_size=5), literals)
def test_texts_are_filled(parts: list[tuple[str, str]], end: str) -> None:
    """A text is filled as Python's own format method fills it, for every name and with all braces doubled."""
    text = "".join(
        f"{before.replace('{', '{{').replace('}', '}}')}{{{name}}}" for before, name in [*parts, (end, "")]
    ).removesuffix("{}")
    parsed = parse_text("content", text)
    assert parsed.names == tuple(name for _, name in parts)
    fields = {name: f"<{name}{{0}}%>" for name in parsed.names}
    assert parsed.filled(fields) == "".join(before + fields[name] for before, name in parts) + end
    assert parsed.filled(fields) == text.format_map(fields)


@given(st.text("a{}1.!:[] ", max_size=12))
def test_faults(text: str) -> None:
    """A text that is refused names a fault and a place; each other text is one that Python's format method knows."""
    parsed, error = None, None
    try:
        parsed = parse_text("content", text)
    except InvalidRequestError as caught:
        error = caught
    if parsed is None:
        assert error is not None
        assert error.field == "content"
        assert error.rule in (PAIR, NAME)
        assert text[int(str(error.actual).rpartition(" ")[2])] in "{}"
        return
    known = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    assert list(parsed.names) == known
    assert parsed.filled(dict.fromkeys(known, "x")) == text.format_map(dict.fromkeys(known, "x"))


@pytest.mark.parametrize(
    ("text", "rule", "found"),
    [
        ("尊敬的{name", PAIR, "an unclosed brace in place 3"),
        ("{name {code}", PAIR, "an unclosed brace in place 0"),
        ("{{{name}", PAIR, None),
        ("name}", PAIR, "a closing brace alone in place 4"),
        ("a{}", NAME, "no name in the braces in place 1"),
        ("a{ \n}", NAME, "no name in the braces in place 1"),
        ("{ name}", NAME, "a blank beside the name in the braces in place 0"),
        ("{0}", NAME, "a position in the braces in place 0"),
        ("{１}", NAME, "a position in the braces in place 0"),
        ("{name.upper}", NAME, "the sign . in the braces in place 0"),
        ("{name[0]}", NAME, "the sign [ in the braces in place 0"),
        ("{name!r}", NAME, "the sign ! in the braces in place 0"),
        ("{name:>10}", NAME, "the sign : in the braces in place 0"),
    ],
)
def test_the_place_of_a_fault(text: str, rule: str, found: str | None) -> None:
    """The sentence names the rule, and the first fault with the place."""
    if found is None:
        assert parse_text("content", text).names == ("name",)
        return
    with pytest.raises(InvalidRequestError) as caught:
        parse_text("sms_content", text)
    assert str(caught.value) == f"sms_content: {rule} (found {found})"


@pytest.mark.parametrize("wanted", [(), ("a",), ("a", "b"), ("b", "a", "b")])
def test_values(wanted: tuple[str, ...]) -> None:
    """Values come in the order of the names, any number of them; a missing field is a KeyError."""
    assert values_of(wanted)({"a": "1", "b": "2"}) == tuple({"a": "1", "b": "2"}[name] for name in wanted)
    if wanted:
        with pytest.raises(KeyError):
            values_of(wanted)({"c": "3"})
