"""Templates: messages with other words for each recipient, against a plain reference."""

import copy
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.endpoints import JOIN_SEND, VOICE_SEND_MARKETING
from emay_voice_async.model.messages import Marketing, Notice, OnConnected, OnKey, VerificationCode, VoiceSms
from emay_voice_async.model.templates import Spoken, Template

LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

parts = st.sampled_from(["a", "张三", "{{", "}}", "%", "%s", "{name}", "{code}", "\n", "x" * 60])
texts = st.lists(parts, max_size=5).map("".join)
values = st.one_of(
    st.sampled_from(
        ["张三", "8-1-402", "x" * 80, "x" * 501, " ", "", "　", "a\u3000b", "{name}", "%s", "\ud800"]
    ),
    st.sampled_from(LINE_BREAKS).map(lambda sign: f"a{sign}b"),
    st.text(max_size=4),
    st.integers(),
)
rows = st.dictionaries(st.sampled_from(["name", "code", "other"]), values, max_size=3)
kinds: st.SearchStrategy[Any] = st.sampled_from([Notice, Marketing, VoiceSms])


def arguments_of(kind: Any, draw: Any) -> dict[str, Any]:
    """Draw the other arguments of a kind, each of them or not."""
    names = ["interactive_content", "voicemail_content", *(["sms_content"] if kind is VoiceSms else [])]
    arguments = {name: draw(texts) for name in names if draw(st.booleans())}
    return arguments | ({"trigger": OnKey("1")} if kind is VoiceSms else {})


def is_usable(value: object) -> bool:
    """Return whether a field may be used, by the words of the documentation."""
    if not isinstance(value, str) or not value.strip() or len(value) > 500:
        return False
    return not any(sign in value for sign in LINE_BREAKS) and "\ud800" not in value


def rendered(kind: Any, arguments: dict[str, Any], row: dict[str, Any]) -> Spoken | None:
    """Fill a message in the plainest way; None if it cannot be sent."""
    filled = {}
    for name, text in arguments.items():
        if isinstance(text, str):
            filled[name] = text.format_map(row)
        else:
            filled[name] = text
    try:
        for value in filled.values():
            str(value).encode()
        return kind(**filled)  # type: ignore[no-any-return]
    except (InvalidRequestError, UnicodeEncodeError):
        return None


class TestRendering:
    """The message of a recipient."""

    @given(kinds, texts, rows, st.data())
    def test_as_the_reference(
        self, kind: Any, content: str, row: dict[str, Any], data: st.DataObject
    ) -> None:
        """A template makes the message that Python's format method makes, or refuses what cannot be said."""
        arguments = arguments_of(kind, data.draw)
        try:
            template = Template(kind, content, **arguments)
        except InvalidRequestError:
            # Not even the shortest fields can be said.
            shortest = dict.fromkeys(["name", "code"], "x")
            assert rendered(kind, {"content": content, **arguments}, shortest) is None
            return
        are_usable = all(name in row and is_usable(row[name]) for name in template.fields)
        expected = rendered(kind, {"content": content, **arguments}, row) if are_usable else None
        if expected is None:
            with pytest.raises(InvalidRequestError) as caught:
                template.texts(row, 7)
            assert caught.value.position == 7
            return
        assert template.render(row) == expected == template.message(template.texts(row))

    @given(texts, rows, rows)
    def test_equal_texts(self, content: str, one: dict[str, Any], other: dict[str, Any]) -> None:
        """Two recipients have equal texts exactly when they have equal messages."""
        try:
            template = Template(Notice, content)
            first, second = template.texts(one), template.texts(other)
        except InvalidRequestError:
            assume(False)
        assert (first == second) is (template.message(first) == template.message(second))

    def test_an_example(self) -> None:
        """A usual template, with all texts of a message."""
        template = Template(
            VoiceSms,
            "尊敬的{name}，您的包裹{code}已到，{{}}100%。",
            interactive_content="请{name}按1",
            sms_content="取件码{code}",
            trigger=OnConnected(10),
            voicemail=True,
        )
        assert template.fields == ("name", "code")
        assert template.endpoint is JOIN_SEND
        assert template.render({"name": "张三", "code": "8-1-402", "more": "\n"}) == VoiceSms(
            "尊敬的张三，您的包裹8-1-402已到，{}100%。",
            interactive_content="请张三按1",
            sms_content="取件码8-1-402",
            trigger=OnConnected(10),
            voicemail=True,
        )

    def test_without_placeholders(self) -> None:
        """A template without placeholders is the same message for each recipient, fields or not."""
        template = Template(Marketing, "a{{b}}", interactive=None)
        assert template.fields == ()
        assert template.endpoint is VOICE_SEND_MARKETING
        assert template.texts({}) == template.texts({"name": "Li"}) == ()
        assert template.render({}) == Marketing("a{b}")


class TestFields:
    """Fields that cannot be used."""

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({}, "field 'name' at position 4: must be given, as the template names it"),
            ({"name": ""}, "field 'name' at position 4: must not be empty or blank (found 0 characters)"),
            (
                {"name": "\u3000 "},
                "field 'name' at position 4: must not be empty or blank (found 2 characters)",
            ),
            (
                {"name": "x" * 10_000},
                "field 'name' at position 4: must have at most 500 characters (found 10000 characters)",
            ),
            (
                {"name": "secret\nsecret"},
                "field 'name' at position 4: must be on one line (found a line break in place 6)",
            ),
            ({"name": 7}, "field 'name' at position 4: must be a str (found int)"),
            ({"name": None}, "field 'name' at position 4: must be a str (found NoneType)"),
            (
                {"name": "a\ud800"},
                "field 'name' at position 4: must be encodable as UTF-8 (found a lone surrogate in place 1)",
            ),
            (
                {"name": "x" * 196},
                "content at position 4: must have at most 200 characters (found 201 characters)",
            ),
            (7, 'fields at position 4: must be a mapping, such as {"name": "..."} (found int)'),
            ("name", 'fields at position 4: must be a mapping, such as {"name": "..."} (found str)'),
        ],
        ids=lambda value: None if isinstance(value, str) else ascii(value)[:20],
    )
    def test_sentences(self, fields: Any, sentence: str) -> None:
        """Each sentence names the field, the rule, the limit and the position, and never the value."""
        with pytest.raises(InvalidRequestError) as caught:
            Template(Notice, "你好，{name}。{name}"[:10] + "！").texts(fields, 4)
        assert str(caught.value) == sentence
        assert "secret" not in repr(caught.value.args)

    @pytest.mark.parametrize("sign", LINE_BREAKS, ids=ascii)
    def test_line_breaks(self, sign: str) -> None:
        """Every line break of Unicode is one."""
        assert len(f"a{sign}b".splitlines()) == 2
        with pytest.raises(InvalidRequestError, match="must be on one line"):
            Template(Notice, "{a}").render({"a": f"a{sign}b"})

    def test_all_texts_together(self) -> None:
        """The limit of all spoken texts together counts fixed and filled texts; a text message is not spoken."""
        arguments: dict[str, Any] = {"interactive_content": "x" * 299, "sms_content": "{a}" * 300}
        template = Template(VoiceSms, "{a}", trigger=OnKey("1"), **arguments)
        assert template.render({"a": "x" * 201}).content == "x" * 201
        with pytest.raises(InvalidRequestError, match=r"must together have at most 500 .*found 501"):
            template.render({"a": "x" * 202})

    def test_a_long_text_message(self) -> None:
        """Each field has a limit of its own: a text message may have many long fields."""
        template = Template(VoiceSms, "x", trigger=OnKey("1"), sms_content="{a}{b}")
        assert template.render({"a": "x" * 500, "b": "y" * 500}) == VoiceSms(
            "x", trigger=OnKey("1"), sms_content="x" * 500 + "y" * 500
        )


class TestArguments:
    """Templates that cannot be used."""

    @pytest.mark.parametrize(
        ("kind", "found"),
        [
            (VerificationCode, "VerificationCode"),
            (Notice("a"), "a Notice"),
            (str, "str"),
            (None, "a NoneType"),
        ],
        ids=repr,
    )
    def test_kinds(self, kind: Any, found: str) -> None:
        """A template makes notices, marketing calls and voice SMS."""
        with pytest.raises(InvalidRequestError) as caught:
            Template(kind, "{name}")
        assert (
            str(caught.value)
            == f"kind: must be one of the classes Notice, Marketing, VoiceSms (found {found})"
        )

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (
                {"trigger": OnKey("1")},
                "trigger: must be an argument of Notice: interactive_content, voicemail_content, interactive",
            ),
            (
                {"nmae": "x"},
                "nmae: must be an argument of Notice: interactive_content, voicemail_content, interactive",
            ),
            ({"interactive": "no"}, "interactive: must be True or False (found str)"),
            (
                {"voicemail_content": " "},
                "voicemail_content: must not be empty or blank (found 1 characters)",
            ),
            (
                {"interactive_content": "{x"},
                (
                    "interactive_content: must have a pair of braces around each field, and two braces for a"
                    " brace that is spoken (found an unclosed brace in place 0)"
                ),
            ),
        ],
    )
    def test_other_arguments(self, arguments: dict[str, Any], sentence: str) -> None:
        """The other arguments are those of the message, and are checked when the template is made."""
        with pytest.raises(InvalidRequestError) as caught:
            Template(Notice, "{name}", **arguments)
        assert str(caught.value) == sentence

    @pytest.mark.parametrize("content", [None, 7, "", " "], ids=repr)
    def test_contents(self, content: Any) -> None:
        """A content is a text, and not blank."""
        with pytest.raises(InvalidRequestError, match=r"^content: must (be a str|not be empty or blank)"):
            Template(Notice, content)

    def test_the_trigger_of_a_voice_sms(self) -> None:
        """A voice SMS has a trigger."""
        with pytest.raises(InvalidRequestError, match=r"^trigger: must be given for a VoiceSms"):
            Template(VoiceSms, "{name}")

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            ("x" * 201, "201 characters"),
            ("x" * 200 + "{a}", "201 characters, with one character for each field"),
        ],
    )
    def test_too_long_for_everybody(self, content: str, found: str) -> None:
        """A content that is too long with the shortest fields is refused when the template is made."""
        with pytest.raises(InvalidRequestError) as caught:
            Template(Notice, content)
        assert (caught.value.limit, caught.value.actual) == (200, found)


def test_templates_are_values() -> None:
    """Equal templates are equal and hash alike, survive pickles and copies, and show their arguments."""
    one = Template(Notice, "{a}{b}", interactive_content="{a}", interactive=True)
    same = Template(Notice, "{a}{b}", interactive=True, interactive_content="{a}")
    assert one == same
    assert len({one, same}) == 1
    for other in (
        Template(Notice, "{b}{a}", interactive_content="{a}", interactive=True),
        Template(Marketing, "{a}{b}", interactive_content="{a}", interactive=True),
        Template(Notice, "{a}{b}", interactive_content="{a}"),
    ):
        assert other != one
    again = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own
    assert again == one == copy.deepcopy(one)
    assert again.render({"a": "1", "b": "2"}) == Notice("12", interactive_content="1", interactive=True)
    assert repr(one) == "Template(Notice, '{a}{b}', interactive=True, interactive_content='{a}')"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.content = "x"  # type: ignore[misc]
