"""Templates: a message that says different words to each recipient."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypedDict, Unpack, cast

import attrs
from attrs import field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_text, field_named
from emay_voice_async.model.endpoints import MAX_TOTAL_CONTENT, Endpoint
from emay_voice_async.model.hidden import hides_arguments
from emay_voice_async.model.messages import Marketing, Notice, OnConnected, OnKey, VoiceSms
from emay_voice_async.model.placeholders import ParsedText, Values, parse_text, values_of

__all__ = ["MAX_FIELD", "Spoken", "Template", "TemplateArguments", "Texts"]

MAX_FIELD: Final = MAX_TOTAL_CONTENT
"""Characters of a field: more than all texts of a message together can have."""

Spoken = Notice | Marketing | VoiceSms
"""The messages that a template can make."""

Texts = tuple[str, ...]
"""The texts of a template that have placeholders, filled for one recipient."""

_KINDS: Final = (Notice, Marketing, VoiceSms)
_NAMES: Final = ", ".join(kind.__name__ for kind in _KINDS)
_SPOKEN: Final = ("content", "interactive_content", "voicemail_content")
_TEXTS: Final = (*_SPOKEN, "sms_content")
"""The arguments that may have placeholders, spoken texts first."""
_BREAKS: Final = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
# Texts, which re compiles at the first use: these sets of characters take long, and few programs need them.
_LINE_BREAK: Final = f"[{_BREAKS}]"
_UNUSABLE: Final = f"[{_BREAKS}\ud800-\udfff]"


class TemplateArguments(TypedDict, total=False):
    """The other arguments of a message; ``trigger``, ``sms_content`` and ``voicemail`` are those of a VoiceSms."""

    interactive_content: str | None
    voicemail_content: str | None
    interactive: bool | None
    trigger: OnKey | OnConnected
    sms_content: str | None
    voicemail: bool | None


@frozen(init=False, repr=False)
class Template:
    """A message with placeholders such as ``{name}``, filled for each recipient from ``Recipient.fields``.

    ::

        template = Template(Notice, "尊敬的{name}，您的包裹{code}已到。")
        await voice.send(template, [Recipient("13800000000", fields={"name": "张三", "code": "8-1-402"})])

    - ``kind``: :class:`Notice`, :class:`Marketing` or :class:`VoiceSms`. ``arguments`` are the other arguments of
      that message. ``content``, ``interactive_content``, ``voicemail_content`` and ``sms_content`` may have
      placeholders.
    - A placeholder is the name of a field in braces, and nothing else of Python's format strings. ``{{`` and ``}}``
      are braces.
    - A field that the template names must be a text on one line, not blank, of at most 500 characters. Other fields
      of a recipient are not looked at. Each message has the limits of its kind.

    A wrong argument, a fault in the braces, or texts that are too long for every recipient raise
    :class:`InvalidRequestError`.
    """

    kind: type[Spoken]
    content: str
    arguments: tuple[tuple[str, object], ...]
    """The other arguments that were given, sorted by name."""
    fields: tuple[str, ...] = field(eq=False)
    """The names of the fields, in the order of the placeholders."""
    _fixed: dict[str, Any] = field(eq=False)
    """The arguments without placeholders, as the message takes them."""
    _parsed: dict[str, ParsedText] = field(eq=False)
    """The texts with placeholders; those that are spoken come first."""
    _limits: tuple[int, int] = field(eq=False)
    """The most characters of a filled content, and of all filled spoken texts together."""
    _spoken: int = field(eq=False)
    """How many of the texts with placeholders are spoken."""
    _values: Values = field(eq=False)
    """The values of ``fields``."""

    def __init__(self, kind: type[Spoken], content: str, **arguments: Unpack[TemplateArguments]) -> None:
        # None is the default of each argument that may be left out.
        others = {name: value for name, value in arguments.items() if value is not None}
        _check_arguments(kind, others)
        given: dict[str, Any] = {"content": content, **others}
        parsed: dict[str, ParsedText] = {}
        for name in _TEXTS:
            if name == "content" or given.get(name) is not None:
                check_text(name, given[name])
                parsed[name] = parse_text(name, given[name])
        fields = tuple(dict.fromkeys(name for text in parsed.values() for name in text.names))
        shortest = {name: text.filled(dict.fromkeys(fields, "x")) for name, text in parsed.items()}
        _check_shortest(kind, {**given, **shortest}, has_fields=bool(fields))
        varied = {name: text for name, text in parsed.items() if text.names}
        fixed = {name: shortest.get(name, value) for name, value in given.items() if name not in varied}
        rest = MAX_TOTAL_CONTENT - sum(len(fixed.get(name) or "") for name in _SPOKEN)
        of_content = kind.max_content if "content" in varied else None
        self.__attrs_init__(
            kind,
            content,
            tuple(sorted(others.items())),
            fields,
            fixed,
            varied,
            (rest if of_content is None else of_content, rest),
            sum(name in varied for name in _SPOKEN),
            values_of(fields),
        )

    def __repr__(self) -> str:
        arguments = "".join(f", {name}={value!r}" for name, value in self.arguments)
        return f"Template({self.kind.__name__}, {self.content!r}{arguments})"

    @property
    def varied(self) -> tuple[str, ...]:
        """The names of the texts with placeholders, such as "content"."""
        return tuple(self._parsed)

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint of the messages."""
        return self.kind.endpoint

    @hides_arguments
    def render(self, fields: Mapping[str, str]) -> Spoken:
        """Return the message for a recipient with these fields; raise :class:`InvalidRequestError` like a send."""
        return self.message(self.texts(fields))

    def texts(self, fields: Mapping[str, str], position: int | None = None) -> Texts:
        """Return the filled texts for a recipient at a ``position`` of the input.

        Recipients with equal texts get the same message. Raises :class:`InvalidRequestError` for a field that is
        missing or unusable, and for texts that are too long.
        """
        # The checks that nearly all fields pass, all at once (benchmark: templates).
        try:
            used = self._values(fields)
            together = "".join(used)
            are_usable = (
                all(map(str.strip, used))
                and len(together) <= MAX_FIELD
                and (together.isprintable() or re.search(_UNUSABLE, together) is None)
            )
        except (KeyError, TypeError):
            are_usable = False
        if not are_usable:
            self._check_fields(fields, position)
        texts = tuple([text.pattern % text.values(fields) for text in self._parsed.values()])
        if self._spoken and (len(texts[0]) > self._limits[0] or self._length(texts) > self._limits[1]):
            self._check_message(texts, position)
        return texts

    def message(self, texts: Texts) -> Spoken:
        """Make the message of filled texts; the message checks itself."""
        filled: dict[str, Any] = dict(zip(self._parsed, texts, strict=True))
        return self.kind(**self._fixed, **filled)

    def _check_message(self, texts: Texts, position: int | None) -> None:
        try:
            self.message(texts)
        except InvalidRequestError as error:
            raise InvalidRequestError(error.field, error.rule, error.limit, error.actual, position) from None

    def _length(self, texts: Texts) -> int:
        spoken = texts if self._spoken == len(texts) else texts[: self._spoken]
        return sum(map(len, spoken))

    def _check_fields(self, fields: object, position: int | None) -> None:
        if not isinstance(fields, Mapping):
            rule = 'must be a mapping, such as {"name": "..."}'
            raise InvalidRequestError("fields", rule, None, type(fields).__name__, position)
        for name in self.fields:
            if name not in fields:
                raise InvalidRequestError(
                    field_named(name), "must be given, as the template names it", None, None, position
                )
            value = fields[name]
            check_text(field_named(name), value, MAX_FIELD, position)
            if found := re.search(_LINE_BREAK, cast("str", value)):
                raise InvalidRequestError(
                    field_named(name),
                    "must be on one line",
                    None,
                    f"a line break in place {found.start()}",
                    position,
                )


def _check_arguments(kind: object, arguments: Mapping[str, object]) -> None:
    if not (isinstance(kind, type) and issubclass(kind, _KINDS)):
        rule = f"must be one of the classes {_NAMES}"
        found = kind.__name__ if isinstance(kind, type) else f"a {type(kind).__name__}"
        raise InvalidRequestError("kind", rule, None, found)
    known = [one.name for one in attrs.fields(kind) if one.name != "content"]
    for name in arguments:
        if name not in known:
            rule = f"must be an argument of {kind.__name__}: {', '.join(known)}"
            raise InvalidRequestError(name, rule)
    if issubclass(kind, VoiceSms) and "trigger" not in arguments:
        raise InvalidRequestError("trigger", 'must be given for a VoiceSms, such as OnKey("1")')


def _check_shortest(kind: type[Spoken], arguments: Mapping[str, Any], *, has_fields: bool) -> None:
    try:
        kind(**arguments)
    except InvalidRequestError as error:
        if not has_fields or not error.field.startswith("content"):
            raise
        found = f"{error.actual}, with one character for each field"
        raise InvalidRequestError(error.field, error.rule, error.limit, found) from None
