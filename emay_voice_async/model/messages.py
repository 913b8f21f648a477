"""The messages, checked by their constructors (sections 2.1.1, 2.2.1, 2.3.1, 2.4.1).

A broken rule raises :class:`~emay_voice_async.errors.InvalidRequestError` with the field, the rule, and the
length found. Lengths count characters (code points).
"""

import re
from typing import ClassVar

from attrs import field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.checks import check_flag, check_text
from emay_voice_async.model.endpoints import (
    CODE_LENGTHS,
    JOIN_SEND,
    MAX_CONNECTED,
    MAX_CONTENT,
    MAX_TOTAL_CONTENT,
    MIN_CONNECTED,
    VOICE_SEND,
    VOICE_SEND_CODE,
    VOICE_SEND_MARKETING,
    Endpoint,
)

__all__ = [
    "Marketing",
    "Message",
    "Notice",
    "OnConnected",
    "OnKey",
    "VerificationCode",
    "VoiceSms",
]

_CODE = re.compile("|".join(f"[0-9]{{{length}}}" for length in CODE_LENGTHS))
_KEY = re.compile("[0-9]")


@frozen(init=False, repr=False, eq=False)
class _Spoken:
    """The texts that are read out, and whether the called person can answer by key or voice."""

    content: str
    interactive_content: str | None = field(default=None, kw_only=True)
    voicemail_content: str | None = field(default=None, kw_only=True)
    interactive: bool | None = field(default=None, kw_only=True)

    max_content: ClassVar[int | None] = MAX_CONTENT

    def __attrs_post_init__(self) -> None:
        check_text("content", self.content, self.max_content)
        total = len(self.content)
        for name in ("interactive_content", "voicemail_content"):
            text = getattr(self, name)
            if text is not None:
                check_text(name, text)
                total += len(text)
        if total > MAX_TOTAL_CONTENT:
            raise InvalidRequestError(
                "content, interactive_content and voicemail_content",
                f"must together have at most {MAX_TOTAL_CONTENT} characters",
                MAX_TOTAL_CONTENT,
                f"{total} characters",
            )
        if self.interactive is not None:
            check_flag("interactive", self.interactive)

    @property
    def is_interactive(self) -> bool:
        """The flag that is sent: ``interactive``, or whether ``interactive_content`` is given."""
        return self.interactive_content is not None if self.interactive is None else self.interactive


@frozen
class Notice(_Spoken):
    """A voice notification (section 2.1).

    ``content`` has 1 to 200 characters; together with ``interactive_content`` (read out to ask for a key) and
    ``voicemail_content`` (read out to ask for a voice message) at most 500. ``interactive`` None: true if
    ``interactive_content`` is given.
    """

    endpoint: ClassVar[Endpoint] = VOICE_SEND


@frozen
class Marketing(_Spoken):
    """A marketing call (section 2.3).

    ``content``, ``interactive_content``, ``voicemail_content`` and ``interactive`` have the meaning and the limits
    of :class:`Notice`.
    """

    endpoint: ClassVar[Endpoint] = VOICE_SEND_MARKETING


@frozen
class VerificationCode:
    """A verification code that is read out (section 2.2): ``code`` has 4 or 6 digits.

    One request takes one number. The code is shown in no repr.
    """

    code: str = field(repr=False)

    endpoint: ClassVar[Endpoint] = VOICE_SEND_CODE

    def __attrs_post_init__(self) -> None:
        check_text("code", self.code)
        if not _CODE.fullmatch(self.code):
            raise InvalidRequestError(
                "code",
                "must be 4 or 6 digits",
                max(CODE_LENGTHS),
                f"{len(self.code)} characters",
            )


@frozen
class OnKey:
    """Send the text message of a voice SMS when ``key``, "0" to "9", is pressed."""

    key: str

    def __attrs_post_init__(self) -> None:
        check_text("trigger key", self.key)
        if not _KEY.fullmatch(self.key):
            raise InvalidRequestError(
                "trigger key", "must be one digit, 0 to 9", 1, f"{len(self.key)} characters"
            )


@frozen
class OnConnected:
    """Send the text message of a voice SMS after 6 to 60 ``seconds`` of connected time."""

    seconds: int

    def __attrs_post_init__(self) -> None:
        rule = f"must be a whole number of seconds from {MIN_CONNECTED} to {MAX_CONNECTED}"
        if not isinstance(self.seconds, int) or isinstance(self.seconds, bool):
            raise InvalidRequestError("trigger seconds", rule, None, type(self.seconds).__name__)
        if not MIN_CONNECTED <= self.seconds <= MAX_CONNECTED:
            limit = MIN_CONNECTED if self.seconds < MIN_CONNECTED else MAX_CONNECTED
            raise InvalidRequestError("trigger seconds", rule, limit, self.seconds)


@frozen
class VoiceSms(_Spoken):
    """A call that can trigger a text message, "voice SMS" (section 2.4).

    ``content`` is the text that is spoken first. ``trigger`` says when the text message ``sms_content`` is sent:
    :class:`OnKey` or :class:`OnConnected`. The three spoken texts have at most 500 characters together.
    ``interactive`` None: true if ``interactive_content`` is given; ``voicemail`` None: true if ``voicemail_content``
    is given.
    """

    trigger: OnKey | OnConnected = field(kw_only=True)
    sms_content: str | None = field(default=None, kw_only=True)
    voicemail: bool | None = field(default=None, kw_only=True)

    endpoint: ClassVar[Endpoint] = JOIN_SEND
    max_content: ClassVar[int | None] = None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not isinstance(self.trigger, OnKey | OnConnected):
            raise InvalidRequestError(
                "trigger", "must be OnKey or OnConnected", None, type(self.trigger).__name__
            )
        if self.sms_content is not None:
            check_text("sms_content", self.sms_content)
        if self.voicemail is not None:
            check_flag("voicemail", self.voicemail)

    @property
    def is_voicemail(self) -> bool:
        """The flag that is sent: ``voicemail``, or whether ``voicemail_content`` is given."""
        return self.voicemail_content is not None if self.voicemail is None else self.voicemail


Message = Notice | Marketing | VerificationCode | VoiceSms
"""Every kind of message."""
