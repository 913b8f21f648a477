"""The rows of a plan that show what is said: a message, or the texts of a template."""

import re
from collections.abc import Iterator
from typing import Any, Final

from emay_voice_async.cli.terminal.language import gettext, ngettext, noop
from emay_voice_async.model.messages import OnKey
from emay_voice_async.model.templates import Spoken, Template
from emay_voice_async.sending.plan import Plan

__all__ = ["message_rows"]

_TITLES: Final = {
    "content": noop("Content"),
    "interactive_content": noop("Asks for a key"),
    "voicemail_content": noop("Takes a message"),
    "sms_content": noop("Text message"),
}
_BRACES: Final = re.compile(r"\{[^{}]*\}")


def message_rows(message: Spoken | Template, plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and style of each row."""
    if isinstance(message, Template):
        given: dict[str, Any] = {"content": message.content, **dict(message.arguments)}
    else:
        given = {name: getattr(message, name, None) for name in (*_TITLES, "trigger")}
    texts = {name: given[name] for name in _TITLES if given.get(name) is not None}
    for name, text in texts.items():
        yield gettext(_TITLES[name]), text, ""
    if (trigger := given.get("trigger")) is not None:
        yield gettext("Text is sent"), _moment(trigger), ""
    if isinstance(message, Template):
        yield from _filled_rows(message, plan)
    elif any(map(_BRACES.search, texts.values())):
        warning = gettext("the braces are spoken as they are: --template fills them from the lists")
        yield "", warning, "yellow"


def _moment(trigger: Any) -> str:
    if isinstance(trigger, OnKey):
        return gettext("on key {key}", key=trigger.key)
    return gettext("after {seconds} seconds", seconds=trigger.seconds)


def _filled_rows(template: Template, plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield the number of different texts, the first three, and the longest with its length."""
    yield gettext("Texts"), ngettext("{number:,} text", "{number:,} different texts", plan.texts), ""
    for place, sample in enumerate(plan.samples):
        yield "" if place else gettext("Samples"), _filled(template, sample), ""
    if plan.longest is not None and template.varied:
        text = _filled(template, plan.longest)
        yield gettext("Longest"), gettext("{length} characters: {text}", length=len(text), text=text), ""


def _filled(template: Template, message: Spoken) -> str:
    """Return the texts of a message that had placeholders."""
    return " / ".join(getattr(message, name) for name in template.varied) or message.content
