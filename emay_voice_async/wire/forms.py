"""Messages and recipients to the bytes of a form; the wire's names of request fields live here.

The body is ``application/x-www-form-urlencoded`` in UTF-8, each value percent-encoded once. Where the
examples and the parameter tables of the document differ, the tables are right (``customVoiceIds``, ``content``).
"""

from collections.abc import Mapping, Sequence
from string import ascii_letters, digits
from typing import Final
from urllib.parse import quote, urlencode

from emay_voice_async.model.batch_calls import BatchCalls
from emay_voice_async.model.endpoints import Endpoint
from emay_voice_async.model.messages import Marketing, Message, Notice, OnKey, VerificationCode, VoiceSms
from emay_voice_async.model.templates import Template
from emay_voice_async.wire.signing import sign, stamp

__all__ = ["CONTENT_TYPE", "message_form", "reports_form", "send_form", "signed", "template_form"]

_SAFE: Final = f",-._~{ascii_letters}{digits}".encode()
"""The comma, and the characters that are never quoted."""

CONTENT_TYPE = "application/x-www-form-urlencoded;charset=UTF-8"


def send_form(message: Message, calls: BatchCalls) -> bytes:
    """Encode a message and the calls of a batch."""
    endpoint = message.endpoint
    lists = f"{endpoint.mobiles}={_joined(calls.mobiles)}&{endpoint.custom_ids}={_joined(calls.custom_ids)}"
    return message_form(message) + b"&" + lists.encode("ascii")


def message_form(message: Message) -> bytes:
    """Encode a message without recipients."""
    return _encode(_spoken(message))


def template_form(template: Template) -> bytes:
    """Encode a template, to tell it from other templates and from every message; the service never gets this form."""
    sample = template.render(dict.fromkeys(template.fields, "x"))
    arguments = [("content", template.content), *template.arguments]
    texts = {f"template.{name}": text for name, text in arguments if isinstance(text, str)}
    return message_form(sample) + b"&" + _encode(texts)


def reports_form(number: int) -> bytes:
    """Encode the number of wanted reports."""
    return _encode({"number": str(number)})


def signed(endpoint: Endpoint, app_id: str, secret_key: str, at: float, rest: bytes = b"") -> bytes:
    """Put appId, timestamp and signature before ``rest``; ``at`` is the time of sending, in POSIX seconds.

    Kept apart from the rest of the form, so that a request can be signed again without being
    encoded again.
    """
    timestamp = stamp(at) if endpoint.stamped else ""
    stamped = f"&timestamp={timestamp}" if timestamp else ""
    signature = sign(app_id, secret_key, timestamp)
    head = f"appId={quote(app_id, safe='')}{stamped}&sign={signature}".encode("ascii")
    return head + b"&" + rest if rest else head


def _spoken(message: Message) -> dict[str, str]:
    match message:
        case VerificationCode():
            return {"content": message.code}
        case VoiceSms():
            return {
                "voiceContent": message.content,
                **_interaction(message),
                "isAcousticSign": _flag(message.is_voicemail),
                **_given(smsContent=message.sms_content),
                **_trigger(message),
            }
        case _:
            notice: Notice | Marketing = message  # a type error here: a kind of message without a form
            return {"content": notice.content, **_interaction(notice)}


def _interaction(message: Notice | Marketing | VoiceSms) -> dict[str, str]:
    return {
        "isInteractive": _flag(message.is_interactive),
        **_given(
            interactiveContent=message.interactive_content, acousticSignContent=message.voicemail_content
        ),
    }


def _trigger(message: VoiceSms) -> dict[str, str]:
    if isinstance(message.trigger, OnKey):
        return {"triggerConditions": "3", "keyContent": message.trigger.key}
    return {"triggerConditions": "4", "connectTime": str(message.trigger.seconds)}


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _encode(fields: Mapping[str, str]) -> bytes:
    # %20 rather than "+": right for readers of forms and for readers of plain percent-encoding.
    return urlencode(fields, quote_via=quote, safe="").encode("ascii")


def _joined(values: Sequence[str]) -> str:
    # No value has a comma of its own, so the commas can wait: quoting a text that is otherwise
    # safe is then a single scan instead of a step for each of 12,000 characters.
    text = ",".join(values)
    if not text.encode().translate(None, _SAFE):
        return text.replace(",", "%2C")
    return quote(text, safe=",").replace(",", "%2C")
